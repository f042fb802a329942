// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * blocker FLAVOUR [CALL]...: makes every system call that blocks, or the named
 * ones, each in a thread of its own, and prints what each returned:
 *
 *   CALL RETURNED ERRNO HANDLERS LATE
 *
 * LATE: milliseconds after the end of its limit, or after what it waits for.
 * ("ready PID" comes first, on stderr.)  A call with a limit has END_MS of it;
 * the others are ended after as long by what they wait for.  That comes from a
 * second process, which runs on while this one is stopped.  FLAVOUR is what
 * else it sends to each thread, in the middle:
 *
 *   none     nothing
 *   ignored  a signal that is ignored
 *   handled  one with a handler
 *   restart  one with a handler and SA_RESTART
 */
#include <pthread.h>

#include "blocker_calls.h"

enum { MIDDLE_MS = 300, USAGE = 100 };

static const struct call {
	const char *name;
	void (*prepare)(struct blocked *);
	long (*block)(struct blocked *);
	void (*end)(struct blocked *); /* NULL: its limit does */
} calls[] = {
	{"nanosleep", NULL, do_nanosleep, NULL},
	{"clock_nanosleep", NULL, do_sleep_until, NULL},
	{"read_pipe", make_pipe, do_read, end_write},
	{"write_full_pipe", make_full_pipe, do_write, end_read},
	{"read_eventfd", make_event, do_read, end_event},
	{"read_timerfd", make_timer, do_read_timer, NULL},
	{"read_inotify", make_inotify, do_read_id, end_write},
	{"read_signalfd", make_signalfd, do_read, end_signalfd},
	{"futex", NULL, do_futex, end_futex},
	{"futex_limit", NULL, do_futex_limit, NULL},
	{"poll", make_pipe, do_poll, end_write},
	{"poll_limit", make_pipe, do_poll_limit, NULL},
	{"ppoll_limit", make_pipe, do_ppoll, NULL},
	{"select_limit", make_pipe, do_select, NULL},
	{"pselect_limit", make_pipe, do_pselect, NULL},
	{"recv", make_sockets, do_recv, end_write},
	{"recv_limit", make_limited_sockets, do_recv, NULL},
	{"send_limit", make_full_sockets, do_send, NULL},
	{"accept", make_listener, do_accept, end_connect},
	{"accept_limit", make_limited_listener, do_accept, NULL},
	{"waitpid", make_child, do_waitpid, end_child},
	{"pause", NULL, do_pause, end_usr1},
	{"sigsuspend", NULL, do_sigsuspend, end_usr1},
	{"msgrcv", make_queue, do_msgrcv, end_queue},
	{"mq_receive", make_mq, do_mq, end_mq},
	{"mq_receive_limit", make_mq, do_mq_limit, NULL},
	{"flock", make_file, do_flock, end_unlock},
	{"fcntl_lock", make_file, do_lockw, end_unlock},
	{"epoll_wait", make_epoll, do_epoll, end_write},
	{"epoll_wait_limit", make_epoll, do_epoll_limit, NULL},
	{"epoll_pwait", make_epoll, do_pwait, end_write},
	{"epoll_pwait_limit", make_epoll, do_pwait_limit, NULL},
	{"epoll_pwait2", make_epoll, do_pwait2, end_write},
	{"epoll_pwait2_limit", make_epoll, do_pwait2_limit, NULL},
	{"sigwait", NULL, do_sigwait, end_sigwait},
	{"sigwait_limit", NULL, do_sigwait_limit, NULL},
	{"semop", make_semaphore, do_semop, end_semaphore},
	{"semop_limit", make_semaphore, do_semop_limit, NULL},
	{"io_getevents", make_aio, do_aio, end_write},
	{"io_getevents_limit", make_aio, do_aio_limit, NULL},
	{"io_uring_enter", make_ring, do_uring, end_write},
};
#define NR_CALLS (sizeof(calls) / sizeof(*calls))

static bool wanted[NR_CALLS];
static __thread struct blocked *mine;

static void count_handler(int number)
{
	(void)number;
	mine->handlers++;
}

/* --- the second process --- */

static int signal_of(const char *flavour)
{
	if (!strcmp(flavour, "ignored"))
		return SIGWINCH;
	if (!strcmp(flavour, "handled"))
		return SIGUSR1;
	return strcmp(flavour, "restart") ? 0 : SIGUSR2;
}

static void hold_locks(void)
{
	struct flock lock = {.l_type = F_WRLCK};

	for (size_t i = 0; i < NR_CALLS; i++)
		if (wanted[i] && calls[i].end == end_unlock) {
			need(!fcntl(all[i].fd[0], F_SETLK, &lock), "F_SETLK");
			need(!flock(all[i].fd[0], LOCK_EX), "flock");
		}
}

static void remove_what_outlives_us(void)
{
	for (size_t i = 0; i < NR_CALLS; i++) {
		if (calls[i].prepare == make_semaphore)
			semctl(all[i].id, 0, IPC_RMID);
		if (calls[i].prepare == make_queue)
			msgctl(all[i].id, IPC_RMID, NULL);
	}
}

static void sleep_ms(int ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* gone: end of file when the first process has ended. */
static _Noreturn void prod(int number, int ready, int gone)
{
	char byte;

	hold_locks();
	(void)!write(ready, "x", 1);
	(void)!read(gone, &byte, 1); /* all threads are about to block */
	sleep_ms(MIDDLE_MS);
	for (size_t i = 0; i < NR_CALLS && number; i++)
		if (wanted[i])
			send_to(&all[i], number);
	sleep_ms(END_MS - MIDDLE_MS);
	for (size_t i = 0; i < NR_CALLS; i++)
		if (wanted[i] && calls[i].end) {
			all[i].ended = now_ms();
			calls[i].end(&all[i]);
		}
	(void)!read(gone, &byte, 1);
	remove_what_outlives_us();
	_exit(0);
}

/* --- the first --- */

static void *block(void *of)
{
	size_t i = (size_t)(struct blocked *)of - (size_t)all;
	const struct call *call = &calls[i / sizeof(*all)];

	mine = of;
	mine->tid = gettid();
	mine->began = now_ms();
	errno = 0;
	mine->returned = call->block(mine);
	mine->error = mine->returned < 0 ? errno : 0;
	mine->late = now_ms() - (call->end || mine->error == EINTR
					 ? mine->ended
					 : mine->began + END_MS);
	return NULL;
}

/* Those that are waited for by other means stay blocked. */
static void prepare_signals(void)
{
	struct sigaction action = {.sa_handler = count_handler};
	sigset_t set;

	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	signal(SIGWINCH, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, FOR_SIGWAIT);
	sigaddset(&set, FOR_SIGNALFD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void choose(char **names)
{
	for (size_t i = 0; i < NR_CALLS; i++) {
		wanted[i] = !*names;
		for (char **name = names; *name; name++)
			wanted[i] |= !strcmp(*name, calls[i].name);
	}
}

static void start_threads(pthread_t *threads)
{
	for (size_t i = 0; i < NR_CALLS; i++)
		if (wanted[i])
			need(!pthread_create(&threads[i], NULL, block, &all[i]),
			     "pthread_create");
	for (size_t i = 0; i < NR_CALLS; i++)
		while (wanted[i] && !all[i].tid)
			usleep(100);
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_CALLS];
	int ready[2];
	int gone[2];
	char byte;

	if (argc < 2)
		errx(USAGE, "no flavour");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	all = mmap(NULL, sizeof(*all) * NR_CALLS, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	choose(argv + 2);
	prepare_signals();
	for (size_t i = 0; i < NR_CALLS; i++)
		if (wanted[i] && calls[i].prepare)
			calls[i].prepare(&all[i]);
	need(!pipe(ready) && !pipe2(gone, O_CLOEXEC), "pipe");
	if (!fork()) {
		close(gone[1]);
		prod(signal_of(argv[1]), ready[1], gone[0]);
	}
	(void)!read(ready[0], &byte, 1);
	start_threads(threads);
	fprintf(stderr, "ready %d\n", getpid());
	(void)!write(gone[1], "x", 1);
	for (size_t i = 0; i < NR_CALLS; i++) {
		if (!wanted[i])
			continue;
		pthread_join(threads[i], NULL);
		printf("%s %ld %d %d %.0f\n", calls[i].name, all[i].returned,
		       all[i].error, all[i].handlers, all[i].late);
	}
	return 0;
}
