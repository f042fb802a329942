// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * freeze PID...: stops processes for as long as it takes to read their maps,
 * or holds them until the releaser to the right lets them run; freeze(1).
 */
#include "freeze/report.h"

#include "base/clock.h"
#include "base/num.h"
#include "proc/urgent.h"
#include "stage/options.h"
#include "stage/stage.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: freeze [OPTION]... PID...\n"
	"\n"
	"Stops processes, each with its descendants, for the pipeline to its "
	"right:\n"
	"    freeze PID | vmalist | memread | imgwrite DIR\n"
	"\n"
	"      --consistent      stopped until memread has read everything\n"
	"      --leave-stopped   of a consistent copy: stopped by SIGSTOP "
	"afterwards\n"
	"      --one             without the descendants\n"
	"      --wait TIME       for thaw or memread to ask for the release "
	"(2s)\n"
	"      --timeout TIME    for all attempts to stop the target (10s)\n"
	"      --stall TIME      of a consistent copy without progress (5s; 0: any)\n"
	"      --max-stop TIME   the longest stop (10s; consistent: any; 0: any)\n" COMMON_HELP
	"\n"
	"Times: 250ms, 2s, 1min.  Exit status: 0 done; 1 the target is gone, "
	"was not\n"
	"stopped in time, or nobody was there to release it; 3 the reader "
	"went away;\n"
	"100 called wrongly; 111 the system refused.\n"};

enum {
	OPTION_CONSISTENT = OPTION_OWN,
	OPTION_LEAVE_STOPPED,
	OPTION_ONE,
	OPTION_WAIT,
	OPTION_TIMEOUT,
	OPTION_STALL,
	OPTION_MAX_STOP,
};

struct options {
	bool consistent;
	bool leave_stopped;
	bool one;
	uint64_t wait_ns;
	uint64_t timeout_ns;
	uint64_t stall_ns;
	uint64_t max_stop_ns;
	bool max_stop_given;
	char **pids;
	int nr_pids;
};

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_CONSISTENT:
		options->consistent = true;
		break;
	case OPTION_LEAVE_STOPPED:
		options->leave_stopped = true;
		break;
	case OPTION_ONE:
		options->one = true;
		break;
	case OPTION_WAIT:
		options->wait_ns = option_time(&tool, "wait");
		break;
	case OPTION_TIMEOUT:
		options->timeout_ns = option_time(&tool, "timeout");
		break;
	case OPTION_STALL:
		options->stall_ns = option_time(&tool, "stall");
		break;
	case OPTION_MAX_STOP:
		options->max_stop_ns = option_time(&tool, "max-stop");
		options->max_stop_given = true;
		break;
	default:
		option_common(&tool, option);
	}
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"consistent", no_argument, NULL, OPTION_CONSISTENT},
		{"leave-stopped", no_argument, NULL, OPTION_LEAVE_STOPPED},
		{"one", no_argument, NULL, OPTION_ONE},
		{"wait", required_argument, NULL, OPTION_WAIT},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{"stall", required_argument, NULL, OPTION_STALL},
		{"max-stop", required_argument, NULL, OPTION_MAX_STOP},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {
		.wait_ns = 2 * S_NS,
		.timeout_ns = 10 * S_NS,
		.stall_ns = 5 * S_NS,
	};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0)
		take_option(&options, option);
	options.pids = argv + optind;
	options.nr_pids = argc - optind;
	if (!options.nr_pids)
		option_misused(&tool, "no process id given");
	if (options.leave_stopped && !options.consistent)
		option_misused(&tool, "--leave-stopped goes with --consistent: "
				      "a pre-dump's target runs before it is "
				      "read");
	if (!options.max_stop_given && !options.consistent)
		options.max_stop_ns = 10 * S_NS;
	return options;
}

/* What can be said of a process before anything is done to it. */
static void refuse_early(pid_t pid)
{
	struct task_stat stat;

	if (task_is_ancestor(pid))
		die(EXIT_USAGE,
		    pid == getpid()
			    ? "pid %d: that is freeze itself"
			    : "pid %d: this pipeline runs under it (a shell, a "
			      "terminal, tmux, sshd?): it would stop itself",
		    pid);
	if (task_stat(pid, 0, &stat) < 0) {
		if (errno == ENOENT || errno == ESRCH)
			die(EXIT_TARGET, "pid %d: no such process", pid);
		die_errno(EXIT_SYSTEM, "pid %d", pid);
	}
	if (stat.kernel_thread)
		die(EXIT_USAGE,
		    "pid %d: a kernel thread, which has no memory "
		    "of its own",
		    pid);
}

/* A thread's id is taken for its process's. */
static pid_t process_of(pid_t pid)
{
	struct task_status status;

	return task_status(pid, 0, &status) == 0 ? status.tgid : pid;
}

static void open_keeper(struct keeper *keeper, const struct options *options)
{
	*keeper = (struct keeper){
		.wait_ns = options->wait_ns,
		.timeout_ns = options->timeout_ns,
		.stall_ns = options->consistent ? options->stall_ns : 0,
		.max_stop_ns = options->max_stop_ns,
		.hold = options->consistent,
		.leave_stopped = options->leave_stopped,
		.out = STDOUT_FILENO,
		.seize.tree = !options->one,
	};
	if (keeper_open(keeper) < 0)
		die_errno(EXIT_SYSTEM, "cannot make the keeper's socket");
	for (int i = 0; i < options->nr_pids; i++) {
		pid_t pid =
			process_of((pid_t)option_pid(&tool, options->pids[i]));

		refuse_early(pid);
		if (seize_name(&keeper->seize, pid) < 0)
			die_errno(EXIT_SYSTEM, "no memory");
	}
}

static _Noreturn void die_not_stopped(const struct keeper *keeper)
{
	const struct seize *seize = &keeper->seize;
	struct task_stat stat = {0};

	switch (keeper->result) {
	case SEIZE_TRACED:
		task_stat(seize->tracer, 0, &stat);
		die(EXIT_SYSTEM,
		    "pid %d: already traced by %.*s (pid %d); only one tracer "
		    "at a time",
		    seize->culprit, (int)stat.name_size, stat.name,
		    seize->tracer);
	case SEIZE_DENIED:
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to trace it: run as its owner or as "
		    "root (and see /proc/sys/kernel/yama/ptrace_scope, "
		    "CAP_SYS_PTRACE)",
		    seize->culprit);
	case SEIZE_GONE:
		task_stat(seize->culprit, 0, &stat);
		die(EXIT_TARGET, "pid %d: %s", seize->culprit,
		    stat.state == 'Z' ? "a zombie: it has ended already"
				      : "it has ended");
	case SEIZE_ERROR:
		die_errno(EXIT_SYSTEM, "cannot stop the target");
	case SEIZE_SLOW:
	case SEIZE_OK:
		break;
	}
	die(EXIT_TARGET,
	    "not all threads could be stopped within %s (--timeout): one is "
	    "in a system call that cannot be interrupted, or waits for its "
	    "vfork child",
	    num_time(keeper->timeout_ns).text);
}

/* Dies by a signal that ends, once the target runs; others are failures. */
static _Noreturn void die_by_signal(int number)
{
	sigset_t set;

	if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)
		die(EXIT_TARGET, "the terminal stopped this pipeline; the "
				 "target runs, nothing was copied");
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	die(EXIT_TARGET, "signal %d", number);
}

static _Noreturn void die_of(const struct keeper *keeper)
{
	switch (keeper->end) {
	case KEEPER_NO_LEASE:
		die(EXIT_TARGET,
		    "nobody to the right releases: no thaw or memread, or a "
		    "filter before it that holds bytes back (zstd does; put "
		    "it behind memread); nothing was stopped");
	case KEEPER_LEASE_LOST: /* not our fault: theirs is the code to see */
		die(EXIT_READER, "thaw or memread went away before it released "
				 "the target, which runs");
	case KEEPER_NOT_STOPPED:
		die_not_stopped(keeper);
	case KEEPER_STALLED:
		die(EXIT_TARGET,
		    "nothing was read for %s (--stall); the "
		    "target runs",
		    num_time(keeper->stall_ns).text);
	case KEEPER_TOO_LONG:
		die(EXIT_TARGET, "stopped for %s (--max-stop); the target runs",
		    num_time(keeper->max_stop_ns).text);
	case KEEPER_SIGNALLED:
		die_by_signal(keeper->signal_number);
	case KEEPER_READER_GONE:
		die(EXIT_READER, "the reader of our output went away");
	case KEEPER_TARGET_ENDED:
		die(EXIT_TARGET, "the target was killed while it was stopped");
	case KEEPER_NOT_SIGNALLED:
		die(EXIT_SYSTEM, "not allowed to send SIGSTOP to every process "
				 "of the target (CAP_KILL); it runs");
	case KEEPER_ERROR:
	case KEEPER_GOES_ON:
	case KEEPER_RELEASED:
		break;
	}
	die_errno(EXIT_SYSTEM, "cannot keep the target");
}

/* Said only now: while it is stopped, the target may be the terminal. */
static void say_what_was_left_out(const struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->seize.nr_tasks; i++)
		if (keeper->seize.tasks[i].denied)
			warn("pid %d: left out: not allowed to trace it",
			     keeper->seize.tasks[i].pid);
	detail("stopped for %s", num_time(keeper->stopped_ns).text);
}

static void refuse_holes_in_a_tree(struct keeper *keeper,
				   const struct options *options)
{
	for (size_t i = 0; i < keeper->seize.nr_tasks; i++) {
		if (!options->consistent || !keeper->seize.tasks[i].denied)
			continue;
		keeper_thaw(keeper);
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to trace it, so the tree cannot be "
		    "copied consistently: run as root, or with --one",
		    keeper->seize.tasks[i].pid);
	}
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	static struct keeper keeper;
	static struct report report;

	stage_prepare(STAGE_WRITES);
	open_keeper(&keeper, &options);
	report_begin(&report, &keeper);

	report_hello(&report, options.consistent);
	if (keeper_send(&keeper) || keeper_wait_lease(&keeper))
		die_of(&keeper);

	urgent_begin(URGENT_KEEPER);
	if (keeper_stop(&keeper))
		die_of(&keeper);
	report_look(&report);
	keeper_let_go(&keeper);
	if (keeper.let_go)
		urgent_end();

	refuse_holes_in_a_tree(&keeper, &options);
	report_tasks(&report);
	if (keeper_serve(&keeper) != KEEPER_RELEASED)
		die_of(&keeper);

	say_what_was_left_out(&keeper);
	return EXIT_DONE;
}
