// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/guard.h"

#include "base/die.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST_WATCHED 8

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define NR_NUMBERS (sizeof(numbers) / sizeof(*numbers))

static volatile sig_atomic_t caught;
static int watched[MOST_WATCHED] = {-1, -1, -1, -1, -1, -1, -1, -1};
static struct sigaction before[NR_NUMBERS];
static sigset_t mask_before;
static pid_t self;
static void (*undo)(void);

/*
 * libpipeline repeats to us the SIGINT or SIGQUIT that a stage died of: that is
 * none of ours.
 */
static void pass_on(int number, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (info->si_code <= 0 && info->si_pid == self)
		return;
	caught = number;
	for (int i = 0; i < MOST_WATCHED; i++)
		if (watched[i] >= 0)
			pidfd_send_signal(watched[i], number, NULL, 0);
	errno = error;
}

void guard_begin(void (*undo_with)(void))
{
	struct sigaction action = {
		.sa_sigaction = pass_on,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	self = getpid();
	undo = undo_with;
	sigfillset(&action.sa_mask);
	sigprocmask(SIG_BLOCK, NULL, &mask_before);
	for (size_t i = 0; i < NR_NUMBERS; i++) {
		sigaction(numbers[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN) /* as nohup does */
			sigaction(numbers[i], &action, NULL);
	}
}

void guard_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD); /* libpipeline would reap before we look */
	for (size_t i = 0; i < NR_NUMBERS; i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void guard_release(void)
{
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void guard_child(void)
{
	for (size_t i = 0; i < NR_NUMBERS; i++)
		sigaction(numbers[i], &before[i], NULL);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != self) /* it died before that */
		raise(SIGTERM);
}

int guard_watch(pid_t child)
{
	int fd = pidfd_open(child, 0);

	if (fd < 0)
		die_errno(EXIT_SYSTEM, "cannot watch process %d", child);
	for (int i = 0; i < MOST_WATCHED; i++) {
		if (watched[i] >= 0)
			continue;
		watched[i] = fd;
		return i;
	}
	die(EXIT_SYSTEM, "too many commands");
}

void guard_signal(int number_of, int number)
{
	pidfd_send_signal(watched[number_of], number, NULL, 0);
}

void guard_forget(int number_of)
{
	int fd = watched[number_of];

	watched[number_of] = -1;
	close(fd);
}

int guard_caught(void)
{
	return caught;
}

void guard_die(void)
{
	undo();
	signal(caught, SIG_DFL);
	raise(caught);
	die(EXIT_SYSTEM, "signal %d", caught);
}
