// SPDX-License-Identifier: GPL-3.0-or-later
/* How the calls of blocker.c wait. */
#ifndef BLOCKER_CALLS_H
#define BLOCKER_CALLS_H

#include "blocker_things.h"

static long do_nanosleep(struct blocked *b)
{
	(void)b;
	return nanosleep(&limit, NULL);
}

static struct timespec later(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_nsec += limit.tv_nsec;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

static long do_sleep_until(struct blocked *b)
{
	struct timespec at = later(CLOCK_MONOTONIC);

	(void)b;
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	return errno ? -1 : 0;
}

static long do_read(struct blocked *b)
{
	char bytes[256];

	return read(b->fd[0], bytes, sizeof(bytes));
}

static long do_read_timer(struct blocked *b)
{
	struct itimerspec at = {.it_value = limit};

	timerfd_settime(b->fd[0], 0, &at, NULL);
	return do_read(b);
}

static long do_read_id(struct blocked *b)
{
	char bytes[256];

	return read(b->id, bytes, sizeof(bytes)) > 0 ? 1 : -1;
}

static long do_write(struct blocked *b)
{
	return write(b->fd[1], "x", 1);
}
static long do_recv(struct blocked *b)
{
	char byte;

	return recv(b->fd[0], &byte, 1, 0);
}
static long do_send(struct blocked *b)
{
	return send(b->fd[0], "x", 1, 0);
}
static long do_accept(struct blocked *b)
{
	return accept(b->fd[0], NULL, NULL) >= 0 ? 0 : -1;
}

static long do_futex(struct blocked *b)
{
	return syscall(SYS_futex, &b->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static long do_futex_limit(struct blocked *b)
{
	return syscall(SYS_futex, &b->word, FUTEX_WAIT, 0, &limit, NULL, 0);
}

static long poll_for(struct blocked *b, int ms)
{
	struct pollfd fd = {.fd = b->fd[0], .events = POLLIN};

	return poll(&fd, 1, ms);
}
static long do_poll(struct blocked *b)
{
	return poll_for(b, -1);
}
static long do_poll_limit(struct blocked *b)
{
	return poll_for(b, END_MS);
}

static long do_ppoll(struct blocked *b)
{
	struct pollfd fd = {.fd = b->fd[0], .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	return ppoll(&fd, 1, &limit, &none);
}

static long do_select(struct blocked *b)
{
	struct timeval tv = {0, END_MS * 1000};
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(b->fd[0], &fds);
	return select(b->fd[0] + 1, &fds, NULL, NULL, &tv);
}

static long do_pselect(struct blocked *b)
{
	sigset_t none;
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(b->fd[0], &fds);
	sigemptyset(&none);
	return pselect(b->fd[0] + 1, &fds, NULL, NULL, &limit, &none);
}

static long epoll_for(struct blocked *b, int ms)
{
	struct epoll_event event;

	return epoll_wait(b->id, &event, 1, ms);
}
static long do_epoll(struct blocked *b)
{
	return epoll_for(b, -1);
}
static long do_epoll_limit(struct blocked *b)
{
	return epoll_for(b, END_MS);
}

static long epoll_pwait_for(struct blocked *b, int ms)
{
	struct epoll_event event;
	sigset_t none;

	sigemptyset(&none);
	return epoll_pwait(b->id, &event, 1, ms, &none);
}
static long do_pwait(struct blocked *b)
{
	return epoll_pwait_for(b, -1);
}
static long do_pwait_limit(struct blocked *b)
{
	return epoll_pwait_for(b, END_MS);
}

static long pwait2_for(struct blocked *b, const struct timespec *time)
{
	struct epoll_event event;

	return epoll_pwait2(b->id, &event, 1, time, NULL);
}
static long do_pwait2(struct blocked *b)
{
	return pwait2_for(b, NULL);
}
static long do_pwait2_limit(struct blocked *b)
{
	return pwait2_for(b, &limit);
}

static long sigwait_for(const struct timespec *time)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, FOR_SIGWAIT);
	return sigtimedwait(&set, NULL, time);
}
static long do_sigwait(struct blocked *b)
{
	(void)b;
	return sigwait_for(NULL);
}
static long do_sigwait_limit(struct blocked *b)
{
	(void)b;
	return sigwait_for(&limit);
}

static long semop_for(struct blocked *b, const struct timespec *time)
{
	struct sembuf down = {.sem_op = -1};

	return semtimedop(b->id, &down, 1, time);
}
static long do_semop(struct blocked *b)
{
	return semop_for(b, NULL);
}
static long do_semop_limit(struct blocked *b)
{
	return semop_for(b, &limit);
}

static long aio_for(struct blocked *b, const struct timespec *time)
{
	struct io_event event;

	return syscall(SYS_io_getevents, b->context, 1, 1, &event, time);
}
static long do_aio(struct blocked *b)
{
	return aio_for(b, NULL);
}
static long do_aio_limit(struct blocked *b)
{
	return aio_for(b, &limit);
}

static long do_msgrcv(struct blocked *b)
{
	struct {
		long type;
		char text[8];
	} message;

	return msgrcv(b->id, &message, sizeof(message.text), 0, 0);
}
static long do_mq(struct blocked *b)
{
	char bytes[8];

	return mq_receive(b->fd[0], bytes, sizeof(bytes), NULL);
}
static long do_mq_limit(struct blocked *b)
{
	struct timespec at = later(CLOCK_REALTIME);
	char bytes[8];

	return mq_timedreceive(b->fd[0], bytes, sizeof(bytes), NULL, &at);
}

static long do_flock(struct blocked *b)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return flock(fd, LOCK_EX);
}
static long do_lockw(struct blocked *b)
{
	struct flock lock = {.l_type = F_WRLCK};

	return fcntl(b->fd[0], F_SETLKW, &lock);
}

static long do_waitpid(struct blocked *b)
{
	return waitpid(b->id, NULL, 0) == b->id ? 0 : -1;
}

static long do_pause(struct blocked *b)
{
	(void)b;
	return pause();
}
static long do_sigsuspend(struct blocked *b)
{
	sigset_t none;

	(void)b;
	sigemptyset(&none);
	return sigsuspend(&none);
}

/* A read by a worker thread of the kernel, which shows among our threads. */
static long do_uring(struct blocked *b)
{
	static char byte;
	uint32_t *tail = (void *)(ring.rings + ring.params.sq_off.tail);
	uint32_t *array = (void *)(ring.rings + ring.params.sq_off.array);
	struct io_uring_cqe *cqe =
		(void *)(ring.rings + ring.params.cq_off.cqes);

	ring.sqes[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.flags = IOSQE_ASYNC,
		.fd = b->fd[0],
		.addr = (uintptr_t)&byte,
		.len = 1,
	};
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	need(syscall(SYS_io_uring_enter, b->id, 1, 0, 0, NULL, 0) == 1,
	     "io_uring_enter");
	errno = 0;
	if (syscall(SYS_io_uring_enter, b->id, 0, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) < 0)
		return -1;
	return cqe->res;
}

#endif
