// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * errand PID N [uffd|careless]: has each thread of the process make a system
 * call for us, N times in turn: getppid, or userfaultfd and close.  Prints
 * "N calls, N wrong, N not in time".  "careless" forgets of a restartable
 * sequence that it was interrupted.
 */
#include "base/clock.h"
#include "base/die.h"
#include "base/num.h"
#include "proc/remote.h"
#include "proc/task.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER_MODE_ONLY 1

static uint64_t number(const char *text)
{
	uint64_t value;

	if (num_parse(text, &value))
		die(EXIT_USAGE, "not a number: %s", text);
	return value;
}

/* Is that what the kernel must say? */
static bool call_getppid(struct remote *remote, pid_t parent)
{
	uint64_t none[6] = {0};
	int64_t result;

	return remote_call(remote, SYS_getppid, none, &result) == 0 &&
	       result == parent;
}

static bool call_userfaultfd(struct remote *remote)
{
	uint64_t args[6] = {O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY};
	int64_t fd;
	int64_t closed;

	if (remote_call(remote, SYS_userfaultfd, args, &fd) < 0 || fd < 0)
		return false;
	args[0] = (uint64_t)fd;
	return remote_call(remote, SYS_close, args, &closed) == 0 &&
	       closed == 0;
}

static bool has_ended(pid_t pid, pid_t tid)
{
	struct task_stat stat;

	return task_stat(pid, tid, &stat) < 0 || stat.state == 'Z' ||
	       stat.state == 'X';
}

/* 0 right, 1 wrong, 2 not in time, 3 gone. */
static int call(pid_t pid, pid_t tid, const char *how, pid_t parent)
{
	struct remote remote;
	bool right;

	if (remote_begin(&remote, pid, tid, 100 * MS_NS) < 0) {
		if (errno == ETIMEDOUT)
			return 2;
		return errno == ESRCH || has_ended(pid, tid) ? 3 : 1;
	}
	right = !strcmp(how, "uffd") ? call_userfaultfd(&remote)
				     : call_getppid(&remote, parent);
	if (!strcmp(how, "careless"))
		remote.rseq = 0;
	remote_end(&remote);
	if (right)
		return 0;
	return has_ended(pid, tid) ? 3 : 1;
}

/* In a process of its own, as that room wants it. */
static int call_apart(pid_t pid, pid_t tid, const char *how, pid_t parent)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(call(pid, tid, how, parent));
	if (child < 0 || waitpid(child, &status, 0) < 0)
		die_errno(EXIT_SYSTEM, "fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 3 ? argv[3] : "";
	uint64_t counts[4] = {0};
	struct task_stat stat;
	pid_t pid;

	if (argc < 3)
		die(EXIT_USAGE, "errand PID N [uffd]");
	pid = (pid_t)number(argv[1]);
	for (uint64_t n = number(argv[2]); n; n--) {
		struct buf tids = {0};

		if (task_stat(pid, 0, &stat) < 0)
			break;
		task_threads(pid, &tids);
		for (size_t i = 0; i < tids.size / sizeof(pid_t); i++)
			counts[call_apart(pid, ((pid_t *)tids.data)[i], how,
					  stat.parent)]++;
		buf_release(&tids);
	}
	printf("%" PRIu64 " calls, %" PRIu64 " wrong, %" PRIu64
	       " not in time\n",
	       counts[0], counts[1], counts[2]);
	return counts[1] != 0;
}
