// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * memtrack: keeps the record of which pages of a process were written between
 * the rounds of its copy; memtrack(1).
 */
#include "memtrack/adopt.h"
#include "memtrack/server.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/num.h"
#include "base/own.h"
#include "proc/softdirty.h"
#include "proc/task.h"
#include "proc/uffd.h"
#include "stage/daemon.h"
#include "stage/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: memtrack [OPTION]... PID...\n"
	"\n"
	"Keeps the record of rounds, so that each sends only what has "
	"changed:\n"
	"    memtrack --daemon PID\n"
	"    freeze PID | vmalist | memread | imgwrite DIR/1\n"
	"    freeze PID | vmalist | memread | imgwrite --parent ../1 DIR/2\n"
	"\n"
	"      --track METHOD   auto, uffd (userfaultfd, Linux 6.7) or "
	"soft-dirty\n"
	"      --adopt DIR      DIR is the first round: criu's, or of a "
	"memtrack that has\n"
	"                       ended; nobody has cleared the bits since\n"
	"      --daemon         return when it tracks, and go on in the "
	"background\n"
	"      --status         tell about the memtrack of PID; 1: there is "
	"none\n"
	"      --stop           end the memtrack of PID\n" COMMON_HELP "\n"
	"In the foreground it writes one line when it tracks, and ends with "
	"the target.\n"
	"\n"
	"Exit status: 0 done; 1 the target is gone, or has no memtrack; 2 DIR "
	"is no whole\n"
	"image directory; 100 called wrongly; 111 the system refused.\n"};

enum {
	OPTION_TRACK = OPTION_OWN,
	OPTION_ADOPT,
	OPTION_DAEMON,
	OPTION_STATUS,
	OPTION_STOP
};

#define ARM_NS (10 * S_NS) /* for another tracer to end */

enum action { TRACK, TELL, STOP };

struct options {
	enum action action;
	enum tracker_method method; /* TRACKER_NONE: what there is */
	const char *adopt;
	bool daemon;
	char **pids;
	int nr_pids;
};

static enum tracker_method parse_method(void)
{
	if (!strcmp(optarg, "auto"))
		return TRACKER_NONE;
	if (!strcmp(optarg, "uffd"))
		return TRACKER_UFFD;
	if (!strcmp(optarg, "soft-dirty"))
		return TRACKER_SOFT_DIRTY;
	option_misused(&tool, "--track takes auto, uffd or soft-dirty");
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_TRACK:
		options->method = parse_method();
		break;
	case OPTION_ADOPT:
		options->adopt = optarg;
		break;
	case OPTION_DAEMON:
		options->daemon = true;
		break;
	case OPTION_STATUS:
		options->action = TELL;
		break;
	case OPTION_STOP:
		options->action = STOP;
		break;
	default:
		option_common(&tool, option);
	}
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"track", required_argument, NULL, OPTION_TRACK},
		{"adopt", required_argument, NULL, OPTION_ADOPT},
		{"daemon", no_argument, NULL, OPTION_DAEMON},
		{"status", no_argument, NULL, OPTION_STATUS},
		{"stop", no_argument, NULL, OPTION_STOP},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {0};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0)
		take_option(&options, option);
	if (options.adopt && options.method == TRACKER_UFFD)
		option_misused(&tool,
			       "--adopt goes with soft-dirty bits: "
			       "nobody else's memory is tracked by uffd");
	if (optind == argc)
		option_misused(&tool, "memtrack takes at least one process id");
	options.pids = argv + optind;
	options.nr_pids = argc - optind;
	return options;
}

static const char *method_name(enum tracker_method method)
{
	return method == TRACKER_UFFD ? "userfaultfd" : "soft-dirty";
}

/* --- asking another --- */

static int connect_to(pid_t pid)
{
	char name[TRACKER_NAME_SIZE];
	struct task_stat stat;
	int tracker;

	if (task_stat(pid, 0, &stat) < 0)
		die(EXIT_TARGET, "pid %d: no such process", pid);
	tracker_name(name, pid, stat.start_time);
	tracker = tracker_connect(name);
	if (tracker < 0 && errno == EACCES)
		die(EXIT_SYSTEM, "pid %d: another user tracks it", pid);
	if (tracker < 0)
		die(EXIT_TARGET, "pid %d: no memtrack tracks it", pid);
	return tracker;
}

static void tell(pid_t pid)
{
	own_fd int tracker = connect_to(pid);
	struct tracker_status status;

	if (tracker_status(tracker, &status) < 0)
		die_errno(EXIT_SYSTEM, "pid %d: its memtrack does not answer",
			  pid);
	printf("pid %d: tracked by process %d, by %s; tracker ", pid,
	       status.pid, method_name(status.method));
	for (int i = 0; i < TRACKER_ID_SIZE; i++)
		printf("%02x", status.id[i]);
	printf(", last round %" PRIu64 ", record of %" PRIu64 " rounds, %s\n",
	       status.generation, status.rounds, num_bytes(status.bytes).text);
}

static void stop(pid_t pid)
{
	own_fd int tracker = connect_to(pid);

	if (tracker_stop(tracker) < 0)
		die_errno(EXIT_SYSTEM, "pid %d: its memtrack does not answer",
			  pid);
}

/* --- tracking --- */

static void find_processes(const struct options *options, struct buf *pids)
{
	for (int i = 0; i < options->nr_pids; i++)
		if (task_tree((pid_t)option_pid(&tool, options->pids[i]),
			      pids) < 0)
			die(EXIT_SYSTEM, "no memory");
}

/*
 * Before the first round, so that what that one reports as written, and the
 * second repeats, is little.
 */
static void clear_bits(const struct buf *pids)
{
	for (size_t i = 0; i < pids->size / sizeof(pid_t); i++) {
		pid_t pid = ((pid_t *)pids->data)[i];
		pid_t tid = 0;

		if (!task_another_thread(pid, &tid))
			continue; /* it has ended */
		if (softdirty_clear(pid, tid) < 0 && errno != ENOENT &&
		    errno != ESRCH)
			die_errno(EXIT_SYSTEM,
				  "pid %d: not allowed to clear its soft-dirty "
				  "bits: run as its owner or as root "
				  "(CAP_DAC_OVERRIDE)",
				  pid);
	}
}

static _Noreturn void die_of_arming(pid_t pid)
{
	switch (errno) {
	case EPERM:
	case EACCES:
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to trace it: run as its owner or as "
		    "root (and see /proc/sys/kernel/yama/ptrace_scope, "
		    "CAP_SYS_PTRACE)",
		    pid);
	case EBUSY:
		die(EXIT_SYSTEM, "pid %d: somebody else traces it", pid);
	case EALREADY:
		die(EXIT_SYSTEM,
		    "pid %d: somebody else tracks it by userfaultfd", pid);
	case EMFILE:
		die(EXIT_SYSTEM, "pid %d: has no file descriptor left", pid);
	case ENOTSUP:
		die(EXIT_SYSTEM,
		    "pid %d: its system calls are filtered (seccomp) or its "
		    "own: only root can track it, if anybody",
		    pid);
	case ETIMEDOUT:
		die(EXIT_TARGET, "pid %d: none of its threads stops", pid);
	default:
		die_errno(EXIT_SYSTEM, "pid %d: cannot track its memory", pid);
	}
}

/* A copy that is being made has it for a moment. */
static void arm_named(struct armed *armed, pid_t pid)
{
	uint64_t until = clock_ns() + ARM_NS;

	while (arm_process(armed, pid) < 0) {
		if (errno == ESRCH || errno == ENOENT)
			return;
		if (errno != EBUSY || clock_ns() > until)
			die_of_arming(pid);
		usleep(10000);
	}
}

static void arm(struct server *server, const struct buf *pids)
{
	if (server->record->method == TRACKER_SOFT_DIRTY) {
		clear_bits(pids);
		return;
	}
	for (size_t i = 0; i < pids->size / sizeof(pid_t); i++)
		arm_named(&server->armed, ((pid_t *)pids->data)[i]);
	arm_settle(&server->armed);
}

/* uffd, which needs no stop to scan, unless a directory is adopted. */
static enum tracker_method choose(const struct options *options)
{
	enum tracker_method method = options->method;

	if (options->adopt)
		method = TRACKER_SOFT_DIRTY;
	if (method == TRACKER_NONE)
		method = uffd_works() ? TRACKER_UFFD : TRACKER_SOFT_DIRTY;
	if (method == TRACKER_UFFD && !uffd_works())
		die(EXIT_SYSTEM, "this kernel cannot track by userfaultfd, "
				 "which is in Linux 6.7 and later");
	if (method == TRACKER_SOFT_DIRTY && !softdirty_works())
		die(EXIT_SYSTEM, "this kernel has no soft-dirty bits "
				 "(CONFIG_MEM_SOFT_DIRTY): every round is full "
				 "here");
	return method;
}

static void say_ready(const struct options *options, enum tracker_method method)
{
	if (printf("memtrack: ready: %s%s by %s\n", options->pids[0],
		   options->nr_pids > 1 ? " and others" : "",
		   method_name(method)) < 0 ||
	    fflush(stdout) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
}

static void prepare(const struct options *options, struct record *record,
		    struct server *server)
{
	struct buf pids = {0};

	record_begin(record, choose(options));
	server_begin(server, record);
	for (int i = 0; i < options->nr_pids; i++)
		server_name(server, (pid_t)option_pid(&tool, options->pids[i]));
	find_processes(options, &pids);
	if (options->adopt)
		adopt(record, options->adopt, &pids);
	else
		arm(server, &pids);
	buf_release(&pids);
}

static void track(const struct options *options)
{
	static struct server server;
	static struct record record;
	int ready = options->daemon ? daemon_begin() : -1;

	signal(SIGPIPE, SIG_IGN);
	prepare(options, &record, &server);
	if (options->daemon) {
		if (chdir("/") < 0)
			die_errno(EXIT_SYSTEM, "cannot leave this directory");
		daemon_ready(ready);
	} else {
		say_ready(options, record.method);
	}
	server_run(&server);
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);

	if (options.action == TRACK) {
		track(&options);
		return EXIT_DONE;
	}
	for (int i = 0; i < options.nr_pids; i++) {
		pid_t pid = (pid_t)option_pid(&tool, options.pids[i]);

		if (options.action == STOP)
			stop(pid);
		else
			tell(pid);
	}
	return EXIT_DONE;
}
