// SPDX-License-Identifier: GPL-3.0-or-later
/* What the calls of blocker.c wait for: how it is made, and how it comes. */
#ifndef BLOCKER_THINGS_H
#define BLOCKER_THINGS_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { END_MS = 800 };

#define FOR_SIGWAIT  (SIGRTMIN + 1)
#define FOR_SIGNALFD (SIGRTMIN + 2)

/* One call that blocks; shared with the second process. */
struct blocked {
	int fd[2];
	int id; /* of System V, or a pid */
	uint32_t word;
	unsigned long context; /* aio_context_t */
	volatile pid_t tid;    /* once it is about to block */
	volatile int handlers;
	long returned;
	int error;
	double began, ended; /* ms; ended: what it waits for has come */
	double late;         /* ms: it returned that long after it should */
};

static inline double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static const struct timespec limit = {0, END_MS * 1000000};
static struct blocked *all;

static void need(bool fine, const char *what)
{
	if (!fine)
		err(1, "%s", what);
}

static void make_pipe(struct blocked *b)
{
	need(!pipe(b->fd), "pipe");
}

static void make_full_pipe(struct blocked *b)
{
	char bytes[4096] = {0};

	make_pipe(b);
	fcntl(b->fd[1], F_SETFL, O_NONBLOCK);
	while (write(b->fd[1], bytes, sizeof(bytes)) > 0)
		;
	fcntl(b->fd[1], F_SETFL, 0);
}

static void make_sockets(struct blocked *b)
{
	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, b->fd), "socketpair");
}

static void limit_socket(int fd, int option)
{
	struct timeval tv = {0, END_MS * 1000};

	need(!setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)), "timeo");
}

static void make_limited_sockets(struct blocked *b)
{
	make_sockets(b);
	limit_socket(b->fd[0], SO_RCVTIMEO);
}

static void make_full_sockets(struct blocked *b)
{
	char bytes[4096] = {0};

	make_sockets(b);
	while (send(b->fd[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	limit_socket(b->fd[0], SO_SNDTIMEO);
}

/* Bound to a name that the kernel chooses (unix(7), "Autobind"). */
static void make_listener(struct blocked *b)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	b->fd[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	need(!bind(b->fd[0], (void *)&address, sizeof(sa_family_t)) &&
		     !listen(b->fd[0], 1),
	     "listen");
	b->fd[1] = socket(AF_UNIX, SOCK_STREAM, 0);
}

static void make_limited_listener(struct blocked *b)
{
	make_listener(b);
	limit_socket(b->fd[0], SO_RCVTIMEO);
}

static void make_event(struct blocked *b)
{
	b->fd[0] = eventfd(0, 0);
}

static void make_timer(struct blocked *b)
{
	b->fd[0] = timerfd_create(CLOCK_MONOTONIC, 0);
}

static void make_inotify(struct blocked *b)
{
	char path[32];

	make_pipe(b);
	b->id = inotify_init1(0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd[1]);
	need(inotify_add_watch(b->id, path, IN_MODIFY) >= 0, "inotify");
}

static void make_signalfd(struct blocked *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, FOR_SIGNALFD);
	b->fd[0] = signalfd(-1, &set, 0);
}

static void make_epoll(struct blocked *b)
{
	struct epoll_event event = {.events = EPOLLIN};

	make_pipe(b);
	b->id = epoll_create1(0);
	need(!epoll_ctl(b->id, EPOLL_CTL_ADD, b->fd[0], &event), "epoll");
}

static void make_semaphore(struct blocked *b)
{
	b->id = semget(IPC_PRIVATE, 1, 0600);
	need(b->id >= 0, "semget");
}

static void make_queue(struct blocked *b)
{
	b->id = msgget(IPC_PRIVATE, 0600);
	need(b->id >= 0, "msgget");
}

static void make_mq(struct blocked *b)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	char name[64];

	snprintf(name, sizeof(name), "/pagepipe-test-%d-%td", getpid(),
		 b - all);
	b->fd[0] = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	need(b->fd[0] >= 0 && !mq_unlink(name), "mq_open");
}

/* A file that the second process has locked by flock or fcntl. */
static void make_file(struct blocked *b)
{
	b->fd[0] = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	need(b->fd[0] >= 0, "O_TMPFILE");
}

static void make_child(struct blocked *b)
{
	pid_t pid = fork();

	if (pid) {
		b->id = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void make_aio(struct blocked *b)
{
	struct iocb poll = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN};
	struct iocb *list = &poll;

	make_pipe(b);
	poll.aio_fildes = (uint32_t)b->fd[0];
	need(!syscall(SYS_io_setup, 1, &b->context) &&
		     syscall(SYS_io_submit, b->context, 1, &list) == 1,
	     "aio");
}

/* The ring of the one call that needs it; see io_uring_setup(2). */
static struct {
	struct io_uring_params params;
	struct io_uring_sqe *sqes;
	char *rings;
} ring;

static void make_ring(struct blocked *b)
{
	size_t size;

	make_pipe(b);
	memset(&ring.params, 0, sizeof(ring.params));
	b->id = (int)syscall(SYS_io_uring_setup, 4, &ring.params);
	need(b->id >= 0, "io_uring_setup");
	size = ring.params.cq_off.cqes + 8 * sizeof(struct io_uring_cqe);
	ring.rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, b->id,
			  IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b->id,
			 IORING_OFF_SQES);
	need(ring.rings != MAP_FAILED && (void *)ring.sqes != MAP_FAILED,
	     "mmap of a ring");
}

/* --- how it comes: in the second process --- */

static void end_write(struct blocked *b)
{
	(void)!write(b->fd[1], "x", 1);
}
static void end_read(struct blocked *b)
{
	char bytes[65536];

	(void)!read(b->fd[0], bytes, sizeof(bytes));
}
static void end_event(struct blocked *b)
{
	(void)!write(b->fd[0], &(uint64_t){1}, 8);
}
static void end_connect(struct blocked *b)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);

	getsockname(b->fd[0], (void *)&address, &size);
	need(!connect(b->fd[1], (void *)&address, size), "connect");
}
static void end_futex(struct blocked *b)
{
	b->word = 1;
	syscall(SYS_futex, &b->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void end_semaphore(struct blocked *b)
{
	struct sembuf up = {.sem_op = 1};

	semop(b->id, &up, 1);
}
static void end_queue(struct blocked *b)
{
	struct {
		long type;
		char text[1];
	} message = {1, "x"};

	msgsnd(b->id, &message, 1, 0);
}
static void end_mq(struct blocked *b)
{
	mq_send(b->fd[0], "x", 1, 0);
}
static void end_unlock(struct blocked *b)
{
	struct flock lock = {.l_type = F_UNLCK};

	fcntl(b->fd[0], F_SETLK, &lock);
	flock(b->fd[0], LOCK_UN);
}
static void end_child(struct blocked *b)
{
	kill(b->id, SIGKILL);
}

static void send_to(struct blocked *b, int number)
{
	b->ended = now_ms();
	syscall(SYS_tgkill, getppid(), b->tid, number);
}
static void end_sigwait(struct blocked *b)
{
	send_to(b, FOR_SIGWAIT);
}
static void end_signalfd(struct blocked *b)
{
	send_to(b, FOR_SIGNALFD);
}
static void end_usr1(struct blocked *b)
{
	send_to(b, SIGUSR1);
}

#endif
