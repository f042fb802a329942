// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * late PID ADDRESS MS   stores a page (of bytes 0xA5) into another process, as
 * a slow disk would: its page is pinned, "pinned" is said, and MS later it is
 * written through no page table; then "landed".
 *
 * process_vm_writev(2) pins the other's pages before it reads ours, and ours
 * comes when we answer its fault.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t page_size;
static int uffd;
static char *missing, *content;
static useconds_t delay_us;

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void *answer_late(void *unused)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)missing,
		.src = (uintptr_t)content,
		.len = page_size,
	};
	struct uffd_msg message;

	if (read(uffd, &message, sizeof(message)) != sizeof(message))
		err(1, "userfaultfd");
	say("pinned");
	usleep(delay_us);
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		err(1, "UFFDIO_COPY");
	return unused;
}

static char *map_page(void)
{
	char *page = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		err(1, "mmap");
	return page;
}

static void prepare(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {
		.range.len = page_size,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	content = map_page();
	memset(content, 0xA5, page_size);
	missing = map_page();
	range.range.start = (uintptr_t)missing;
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &range))
		err(1, "userfaultfd");
}

int main(int argc, char **argv)
{
	struct iovec ours, theirs;
	pthread_t thread;

	if (argc != 4)
		errx(100, "late PID ADDRESS MS");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	delay_us = (useconds_t)atoi(argv[3]) * 1000;
	prepare();
	if (pthread_create(&thread, NULL, answer_late, NULL))
		errx(1, "pthread_create");
	ours = (struct iovec){missing, page_size};
	theirs = (struct iovec){(void *)strtoull(argv[2], NULL, 16), page_size};
	if (process_vm_writev(atoi(argv[1]), &ours, 1, &theirs, 1, 0) !=
	    (ssize_t)page_size)
		err(1, "process_vm_writev");
	say("landed");
	return 0;
}
