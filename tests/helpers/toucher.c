// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A process that is restored lazily, without a criu: it hands a userfaultfd
 * of its own to lazyserve, as criu restore does, then uses its memory.
 *
 *   toucher make DIR PAGES [small|child]   makes the images of such a process:
 *                     small: LAZY pages without their bytes; child: PARENT ones
 *   toucher ACTION DIR PAGES [SEED]        see actions; the socket is in DIR
 *
 * Every page is stamped (stamp.h), but for some that are holes of the pages
 * file, that no image knows, or that restore has loaded (kind_of).  Says "ok"
 * and ends with 0, or "wrong ADDRESS: VERDICT" and 3.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/local.h"
#include "toucher.h"

enum { WRONG = 3, THREADS = 4, CHILDREN = 3 };

#define RW       (PROT_READ | PROT_WRITE)
#define ANON     (MAP_PRIVATE | MAP_ANONYMOUS)
#define FINISHED 0x52535446u

static unsigned seed = 1;
static bool midway;

static size_t random_below(unsigned *state, size_t n)
{
	return ((size_t)rand_r(state) << 15 ^ (size_t)rand_r(state)) % n;
}

/* --- the restore --- */

static _Noreturn void wrong(const char *page, const char *why)
{
	printf("wrong %p: %s\n", (const void *)page, why);
	fflush(stdout);
	_exit(WRONG);
}

/* Is page number i, wherever it is now, what it was? */
static void check_at(const char *page, size_t i)
{
	enum stamp_verdict verdict =
		stamp_check(page, page_size, (uintptr_t)page_of(i));
	enum kind kind = kind_of(i);
	bool zero = kind == HOLE || kind == ABSENT;

	if (verdict != (zero ? STAMP_ZERO : STAMP_GOOD))
		wrong(page, stamp_verdict_name(verdict));
}

static void check(size_t i)
{
	check_at(page_of(i), i);
}

static void check_zero(const char *page)
{
	if (!stamp_is_zero(page, page_size))
		wrong(page, "kept");
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path),
		 "%s/lazy-pages.socket", path);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", address.sun_path);
	return fd;
}

static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE |
			    UFFD_FEATURE_EVENT_UNMAP,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		err(77, "userfaultfd");
	return fd;
}

static void send_task(int socket, int uffd)
{
	int32_t pid = PID;
	char byte = 0;
	struct iovec body = {&byte, 1};
	struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
	union local_fd room;

	local_attach(&message, &room, uffd);
	if (send(socket, &pid, sizeof(pid), 0) < 0 ||
	    sendmsg(socket, &message, 0) < 0)
		err(1, "announce");
}

/* Room behind it, registered too, is what the process uses anew. */
static void map_and_register(int uffd)
{
	size_t bytes = (nr_pages + EDGE) * page_size;
	struct uffdio_register request = {
		.range = {(uintptr_t)START, bytes},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (mmap(START, bytes, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) != START)
		err(1, "mmap");
	madvise(START, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < nr_pages; i++)
		if (kind_of(i) == LOADED)
			stamp_write(page_of(i), page_size,
				    (uintptr_t)page_of(i), 1);
	if (ioctl(uffd, UFFDIO_REGISTER, &request) < 0)
		err(1, "register");
	/* not before: khugepaged would make zeros of what is missing */
	madvise(START, bytes, MADV_HUGEPAGE);
}

static void restore(const char *path)
{
	uint32_t finished = FINISHED;
	int socket = connect_to(path);
	int uffd = open_uffd();

	send_task(socket, uffd);
	map_and_register(uffd);
	close(uffd);
	check(nr_pages / 2); /* restore itself may use some */
	if (midway)
		return; /* as long as this has not finished nothing is pushed */
	if (send(socket, &finished, sizeof(finished), 0) < 0)
		err(1, "finish");
	close(socket);
}

/* --- what it does then --- */

static void touch_in_order(void)
{
	for (size_t i = 0; i < nr_pages; i++)
		check(i);
}

static void touch_backwards(void)
{
	for (size_t i = nr_pages; i-- > 0;)
		check(i);
}

/* Each, and some again. */
static void touch_at_random(void)
{
	unsigned state = seed;

	for (size_t n = 0; n < 2 * nr_pages; n++)
		check(random_below(&state, nr_pages));
	touch_in_order();
}

static void *thread_run(void *number)
{
	unsigned state = seed + (unsigned)(uintptr_t)number;

	for (size_t n = 0; n < nr_pages; n++)
		check(random_below(&state, nr_pages));
	return NULL;
}

static void start_threads(pthread_t *threads)
{
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread_run, (void *)i);
}

static void join_threads(const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void touch_by_threads(void)
{
	pthread_t threads[THREADS];

	start_threads(threads);
	join_threads(threads);
	touch_in_order();
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		err(1, "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* A child of a child, too, while both go on. */
static void fork_and_touch(int depth)
{
	pid_t children[CHILDREN];

	for (int i = 0; i < CHILDREN; i++) {
		check(nr_pages / 4 * (size_t)i);
		children[i] = fork();
		if (children[i] < 0)
			err(1, "fork");
		if (children[i])
			continue;
		seed += 100 + (unsigned)i;
		if (depth)
			fork_and_touch(depth - 1);
		touch_at_random();
		_exit(0);
	}
	touch_at_random();
	for (int i = 0; i < CHILDREN; i++)
		wait_for(children[i]);
}

static void touch_in_children(void)
{
	fork_and_touch(1);
}

/* The child writes, which must not show here; and the other way round. */
static void fork_and_write(void)
{
	pid_t child = fork();

	if (child == 0) {
		for (size_t i = 0; i < nr_pages; i += 2)
			memset(page_of(i), 0x55, page_size);
		for (size_t i = 1; i < nr_pages; i += 2)
			check(i);
		_exit(0);
	}
	touch_at_random();
	wait_for(child);
}

static void fork_and_exec(void)
{
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		if (child == 0) {
			check(nr_pages / 3);
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		wait_for(child);
	}
	touch_in_order();
}

static void exec_at_once(void)
{
	check(1);
	execl("/bin/echo", "echo", "ok", NULL);
}

static void end_at_once(void)
{
	check(nr_pages - 1);
}

/* In pieces, each to a new place, the first of them back again. */
static void move_and_touch(void)
{
	size_t quarter = nr_pages / 4, bytes = quarter * page_size;
	char *at[4];

	for (size_t q = 0; q < 4; q++) {
		char *old = page_of(q * quarter);
		char *room = mmap(NULL, bytes, PROT_NONE, ANON, -1, 0);

		check(q * quarter + 9);
		at[q] = mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			       room);
		if (at[q] == MAP_FAILED)
			err(1, "mremap");
	}
	if (mremap(at[0], bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   page_of(0)) != page_of(0))
		err(1, "mremap");
	at[0] = page_of(0);
	for (size_t i = 0; i < quarter; i++)
		for (size_t q = 4; q-- > 0;)
			check_at(at[q] + i * page_size, q * quarter + i);
}

/* What was dropped or unmapped is of zeros, all else is what it was. */
static void drop_and_touch(void)
{
	size_t third = nr_pages / 3, bytes = third * page_size;

	check(third / 2);
	if (madvise(page_of(0), bytes, MADV_DONTNEED) < 0 ||
	    munmap(page_of(third), bytes) < 0 ||
	    mmap(page_of(third), bytes, RW, ANON | MAP_FIXED_NOREPLACE, -1,
		 0) != page_of(third))
		err(1, "drop");
	for (size_t i = 0; i < third; i++) {
		check_zero(page_of(i));
		check_zero(page_of(third + i));
	}
	for (size_t i = 2 * third; i < nr_pages; i++)
		check(i);
}

/* Borders of mappings of which no event tells. */
static void protect_and_touch(void)
{
	for (size_t i = 0; i < nr_pages; i += 3)
		if (mprotect(page_of(i), page_size, PROT_READ) < 0)
			err(1, "mprotect");
	touch_at_random();
}

static void use_new_memory(void)
{
	for (size_t i = nr_pages; i < nr_pages + EDGE; i++) {
		check_zero(page_of(i));
		memset(page_of(i), 1, page_size);
	}
	touch_in_order();
}

/* Threads that touch the first half while the other is torn about. */
static void everything(void)
{
	size_t all = nr_pages, half = nr_pages / 2;
	unsigned state = seed;
	pthread_t threads[THREADS];

	nr_pages = half;
	start_threads(threads);
	for (int n = 0; n < 200; n++) {
		size_t i = half + random_below(&state, half - 8);
		size_t bytes = (1 + random_below(&state, 8)) * page_size;
		pid_t child = n % 20 ? -1 : fork();
		char *to;

		if (child == 0)
			_exit((touch_in_order(), 0));
		if (n % 3 == 0)
			madvise(page_of(i), bytes, MADV_DONTNEED);
		else if (n % 3 == 1)
			munmap(page_of(i), bytes);
		else if ((to = mremap(page_of(i), bytes, bytes,
				      MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
				      NULL)) != MAP_FAILED)
			munmap(to, bytes);
		if (child > 0)
			wait_for(child);
	}
	join_threads(threads);
	touch_in_order();
	nr_pages = all;
}

static void touch_slowly(void)
{
	unsigned state = seed;

	puts("midway");
	fflush(stdout);
	for (int n = 0; n < 20000; n++, usleep(1000))
		check(random_below(&state, nr_pages));
}

static const struct {
	const char *name;
	void (*run)(void);
} actions[] = {
	{"order", touch_in_order},
	{"backwards", touch_backwards},
	{"random", touch_at_random},
	{"threads", touch_by_threads},
	{"children", touch_in_children},
	{"write", fork_and_write},
	{"forkexec", fork_and_exec},
	{"exec", exec_at_once},
	{"end", end_at_once},
	{"move", move_and_touch},
	{"drop", drop_and_touch},
	{"protect", protect_and_touch},
	{"grow", use_new_memory},
	{"everything", everything},
	{"midway", touch_slowly},
};

int main(int argc, char **argv)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (argc < 4)
		errx(100, "toucher ACTION DIR PAGES [SEED]");
	nr_pages = strtoul(argv[3], NULL, 10);
	if (!strcmp(argv[1], "make")) {
		make(argv[2], argc > 4 ? argv[4] : "full");
		return 0;
	}
	if (argc > 4)
		seed = (unsigned)strtoul(argv[4], NULL, 10);
	midway = !strcmp(argv[1], "midway");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(argv[1], actions[i].name)) {
			restore(argv[2]);
			actions[i].run();
			puts("ok");
			return 0;
		}
	errx(100, "%s: no such action", argv[1]);
}
