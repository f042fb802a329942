// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * stopper PID N [HELD_US]: stops the process alone N times, by the room that
 * freeze has it from, each time for HELD_US microseconds and more, and prints
 * "N stopped, N not in time".  "unfiltered" instead of HELD_US is what freeze
 * never does: it suspends seccomp while the process runs.
 */
#include "base/clock.h"
#include "base/die.h"
#include "base/num.h"
#include "proc/seize.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t number(const char *text)
{
	uint64_t value;

	if (num_parse(text, &value))
		die(EXIT_USAGE, "not a number: %s", text);
	return value;
}

static void run_unfiltered(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_SUSPEND_SECCOMP) < 0)
		die_errno(EXIT_SYSTEM, "PTRACE_O_SUSPEND_SECCOMP");
	usleep(1000);
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	waitpid(pid, NULL, __WALL);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

int main(int argc, char **argv)
{
	static struct seize seize;
	uint64_t stopped = 0;
	uint64_t slow = 0;
	sigset_t set;

	if (argc < 3)
		die(EXIT_USAGE, "stopper PID N [HELD_US]");
	if (argc > 3 && !strcmp(argv[3], "unfiltered")) {
		run_unfiltered((pid_t)number(argv[1]));
		return 0;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD); /* what the room waits for */
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (seize_name(&seize, (pid_t)number(argv[1])) < 0)
		die(EXIT_SYSTEM, "no memory");
	while (stopped < number(argv[2])) {
		enum seize_result result = seize_stop(&seize, 100 * MS_NS);

		if (result == SEIZE_SLOW) {
			slow++;
			continue;
		}
		if (result != SEIZE_OK)
			die(EXIT_TARGET, "%d", result);
		if (argc > 3)
			usleep((useconds_t)number(argv[3]));
		seize_resume(&seize);
		stopped++;
	}
	printf("%" PRIu64 " stopped, %" PRIu64 " not in time\n", stopped, slow);
	return 0;
}
