// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * memtrack: keeps the record of which pages of a process were written between
 * the rounds of its copy; memtrack(1).
 */
#include "memtrack/adopt.h"
#include "memtrack/server.h"

#include "base/die.h"
#include "base/num.h"
#include "base/own.h"
#include "proc/softdirty.h"
#include "proc/task.h"
#include "stage/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
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
	"      --track METHOD   auto or soft-dirty\n"
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

enum action { TRACK, TELL, STOP };

struct options {
	enum action action;
	const char *adopt;
	bool daemon;
	char **pids;
	int nr_pids;
};

static void need_soft_dirty(void)
{
	if (!strcmp(optarg, "uffd"))
		option_misused(&tool,
			       "this version tracks by soft-dirty "
			       "alone: --track takes auto or soft-dirty");
	if (strcmp(optarg, "auto") && strcmp(optarg, "soft-dirty"))
		option_misused(&tool, "--track takes auto or soft-dirty");
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_TRACK:
		need_soft_dirty();
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
	if (optind == argc)
		option_misused(&tool, "memtrack takes at least one process id");
	options.pids = argv + optind;
	options.nr_pids = argc - optind;
	return options;
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
	printf("pid %d: tracked by process %d, by soft-dirty; tracker ", pid,
	       status.pid);
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
 * Clears before the first round, so that what that one reports as written,
 * and the second repeats, is little.
 */
static void arm(const struct buf *pids)
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
				  "bits: run as its owner or as root",
				  pid);
	}
}

/* What has become of a child that has not said that it is ready. */
static int failure_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		return WEXITSTATUS(status);
	return EXIT_SYSTEM;
}

/* The parent stays until we track, or have failed; where to tell it. */
static int begin_daemon(void)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0)
		die_errno(EXIT_SYSTEM, "cannot go into the background");
	if (child == 0) {
		close(ready[0]);
		setsid();
		return ready[1];
	}
	close(ready[1]);
	exit(read(ready[0], &byte, 1) == 1 ? EXIT_DONE : failure_of(child));
}

/* From here on nobody reads what we say. */
static void end_start(int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			die_errno(EXIT_SYSTEM, "cannot open /dev/null");
	if (chdir("/") < 0 || write(ready, "", 1) != 1)
		exit(EXIT_SYSTEM);
	close(ready);
}

static void say_ready(const struct options *options)
{
	if (printf("memtrack: ready: %s%s by soft-dirty\n", options->pids[0],
		   options->nr_pids > 1 ? " and others" : "") < 0 ||
	    fflush(stdout) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
}

static void prepare(const struct options *options, struct record *record,
		    struct server *server)
{
	struct buf pids = {0};

	record_begin(record, TRACKER_SOFT_DIRTY);
	server_begin(server, record);
	for (int i = 0; i < options->nr_pids; i++)
		server_name(server, (pid_t)option_pid(&tool, options->pids[i]));
	if (!softdirty_works())
		die(EXIT_SYSTEM, "this kernel has no soft-dirty bits "
				 "(CONFIG_MEM_SOFT_DIRTY): every round is full "
				 "here");
	find_processes(options, &pids);
	if (options->adopt)
		adopt(record, options->adopt, &pids);
	else
		arm(&pids);
	buf_release(&pids);
}

static void track(const struct options *options)
{
	static struct server server;
	static struct record record;
	int ready = options->daemon ? begin_daemon() : -1;

	signal(SIGPIPE, SIG_IGN);
	prepare(options, &record, &server);
	if (options->daemon)
		end_start(ready);
	else
		say_ready(options);
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
