// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * waiter FILE CALL [MS]: waits in CALL (epoll, epoll_pwait, sem, sigwait,
 * aio), without a limit or for MS milliseconds, again and again, and counts in
 * FILE (a shared mapping): u64 EINTR seen, u64 other returns, u64 SIGUSR1
 * handled, u64 ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *counts;
static int ms = -1;
static int sem;

static void handled(int number)
{
	(void)number;
	counts[2]++;
}

/* A semaphore outlives its maker. */
static void end(int number)
{
	semctl(sem, 0, IPC_RMID);
	_exit(number);
}

static int wait_epoll(bool with_mask)
{
	static int fd = -1;
	struct epoll_event event;
	sigset_t none;

	if (fd < 0)
		fd = epoll_create1(0);
	sigemptyset(&none);
	return with_mask ? epoll_pwait(fd, &event, 1, ms, &none)
			 : epoll_wait(fd, &event, 1, ms);
}

static int wait_sem(void)
{
	struct sembuf down = {.sem_op = -1};
	struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};

	return semtimedop(sem, &down, 1, ms < 0 ? NULL : &limit);
}

static int wait_signal(void)
{
	struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, ms < 0 ? NULL : &limit);
}

static int wait_aio(void)
{
	static aio_context_t context;
	struct io_event event;

	if (!context)
		syscall(SYS_io_setup, 1, &context);
	return (int)syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

static int wait_in(const char *call)
{
	if (!strcmp(call, "epoll"))
		return wait_epoll(false);
	if (!strcmp(call, "epoll_pwait"))
		return wait_epoll(true);
	if (!strcmp(call, "sem"))
		return wait_sem();
	if (!strcmp(call, "sigwait"))
		return wait_signal();
	return wait_aio();
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handled};
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 100;
	if (argc > 3)
		ms = atoi(argv[3]);
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sem = semget(IPC_PRIVATE, 1, 0600);
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGTERM, end);
	counts[3] = 1;
	for (;;) {
		if (wait_in(argv[2]) < 0 && errno == EINTR)
			counts[0]++;
		else
			counts[1]++;
	}
}
