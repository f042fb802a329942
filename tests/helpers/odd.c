// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * odd KIND FILE: a target out of the ordinary.  FILE (a shared mapping) has
 * what it counts, as u64; "ready PID [OTHER]" comes first.
 *
 *   sharer     OTHER, no thread of it, shares its memory and counts [0]
 *   vfork      OTHER, its vfork child, counts [0]; it waits for that
 *   confined   calls getppid, which a filter refuses: [0] how often, [1] how
 *              often it was let through; a second thread too
 *   direct     reads FILE.data, 64 MiB, past the cache: [0] how often, [1]
 *              wrong bytes
 *   faults     serves its own page faults by userfaultfd, of memory that it
 *              drops again and again: [0] how often, [1] wrong bytes
 *   full       has no descriptor left; counts [0]
 *   ring       registers a buffer with an io_uring; at SIGUSR1 it reads into
 *              that, and lets go of both: [0] is 1 then
 *   hidden     the same with a ring that has no descriptor, and it keeps both
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

enum { USAGE = 100, DIRECT_BYTES = 64 << 20, RING_BYTES = 1 << 20 };

static volatile uint64_t *counts;

static void say_ready(pid_t other)
{
	printf("ready %d %d\n", getpid(), other);
	fflush(stdout);
}

static int count(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		counts[0]++;
	return 0;
}

static void be_sharer(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t other =
		clone(count, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

	if (other < 0)
		err(1, "clone");
	say_ready(other);
	for (;;)
		pause();
}

static void be_vfork(void)
{
	if (!vfork()) {
		printf("ready %d %d\n", getppid(), getpid());
		fflush(stdout);
		count(NULL);
	}
	for (;;)
		pause();
}

static void *call_refused(void *unused)
{
	for (;;) {
		if (syscall(SYS_getppid) < 0 && errno == EPERM)
			counts[0]++;
		else
			counts[1]++;
	}
	return unused;
}

static void be_confined(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};
	pthread_t thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "seccomp");
	pthread_create(&thread, NULL, call_refused, NULL);
	say_ready(0);
	call_refused(NULL);
}

/* Each page holds its own number. */
static void be_direct(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *data = mmap(NULL, DIRECT_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	for (size_t at = 0; at < DIRECT_BYTES; at += 4096)
		memcpy(data + at, &at, sizeof(at));
	if (write(fd, data, DIRECT_BYTES) != DIRECT_BYTES || fsync(fd))
		err(1, "%s", path);
	close(fd);
	fd = open(path, O_RDONLY | O_DIRECT);
	if (fd < 0)
		err(1, "O_DIRECT");
	say_ready(0);
	for (;; counts[0]++) {
		memset(data, 0, DIRECT_BYTES);
		if (pread(fd, data, DIRECT_BYTES, 0) != DIRECT_BYTES)
			counts[1]++;
		for (size_t at = 0; at < DIRECT_BYTES; at += 4096)
			if (memcmp(data + at, &at, sizeof(at)))
				counts[1]++;
	}
}

/* Where the faults are, and by what they are served. */
static struct {
	char *area;
	int uffd;
} faulted;

enum { FAULT_BYTES = 16 * 4096 };

static void *serve(void *unused)
{
	static char page[4096];
	struct uffd_msg message;

	while (read(faulted.uffd, &message, sizeof(message)) > 0) {
		struct uffdio_copy copy = {
			.dst = message.arg.pagefault.address & ~4095ull,
			.src = (uintptr_t)page,
			.len = sizeof(page),
		};

		memset(page, (int)(counts[0] & 127) + 1, sizeof(page));
		ioctl(faulted.uffd, UFFDIO_COPY, &copy);
	}
	return unused;
}

static void be_faults(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {
		.range.len = FAULT_BYTES,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	faulted.area = mmap(NULL, FAULT_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	faulted.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range.start = (uintptr_t)faulted.area;
	if (ioctl(faulted.uffd, UFFDIO_API, &api) ||
	    ioctl(faulted.uffd, UFFDIO_REGISTER, &range))
		err(1, "userfaultfd");
	pthread_create(&thread, NULL, serve, NULL);
	say_ready(0);
	for (;; counts[0]++) {
		madvise(faulted.area, FAULT_BYTES, MADV_DONTNEED);
		for (size_t at = 0; at < FAULT_BYTES; at += 4096)
			if (faulted.area[at] != (char)((counts[0] & 127) + 1))
				counts[1]++;
		usleep(1000);
	}
}

static void be_full(void)
{
	struct rlimit limit = {64, 64};

	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	say_ready(0);
	count(NULL);
}

/* What comes into the buffer goes past its owner's page tables. */
static void be_ring(const char *path, bool hidden)
{
	char *buffer = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(path, O_RDONLY);
	struct ring ring = ring_begin();
	sigset_t wanted;
	int got;

	memset(buffer, 1, RING_BYTES);
	ring_register(&ring, buffer, RING_BYTES);
	ring.entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ_FIXED,
		.fd = fd,
		.addr = (uintptr_t)buffer,
		.len = RING_BYTES,
	};
	if (hidden)
		ring_hide(&ring);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGUSR1);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	say_ready(0);
	sigwait(&wanted, &got);
	ring_go(&ring, 1, RING_BYTES);
	if (!hidden) {
		ring_unregister(&ring);
		ring_end(&ring);
	}
	counts[0] = 1;
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char path[4096];
	int fd;

	if (argc < 3)
		errx(USAGE, "odd KIND FILE");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 4096))
		err(1, "%s", argv[2]);
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	snprintf(path, sizeof(path), "%s.data", argv[2]);
	if (!strcmp(argv[1], "sharer"))
		be_sharer();
	else if (!strcmp(argv[1], "vfork"))
		be_vfork();
	else if (!strcmp(argv[1], "confined"))
		be_confined();
	else if (!strcmp(argv[1], "direct"))
		be_direct(path);
	else if (!strcmp(argv[1], "faults"))
		be_faults();
	else if (!strcmp(argv[1], "full"))
		be_full();
	else if (!strcmp(argv[1], "ring"))
		be_ring(path, false);
	else if (!strcmp(argv[1], "hidden"))
		be_ring(path, true);
	errx(USAGE, "no such kind");
}
