// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/tree.h"

#include "base/die.h"
#include "proc/task.h"

#include <signal.h>

static void note(pid_t pid, struct buf *out)
{
	struct task_stat stat;

	if (task_stat(pid, 0, &stat) == 0 && stat.state == 'T' &&
	    buf_append(out, &pid, sizeof(pid)) < 0)
		die(EXIT_SYSTEM, "no memory");
}

void tree_stopped(pid_t pid, struct buf *out)
{
	struct buf pids = {0};

	if (task_tree(pid, &pids) < 0)
		die(EXIT_SYSTEM, "no memory");
	for (size_t i = 0; i < pids.size / sizeof(pid_t); i++)
		note(((pid_t *)pids.data)[i], out);
	buf_release(&pids);
}

static bool is_in(const struct buf *pids, pid_t pid)
{
	const pid_t *all = (const pid_t *)pids->data;

	for (size_t i = 0; i < pids->size / sizeof(pid); i++)
		if (all[i] == pid)
			return true;
	return false;
}

void tree_continue(pid_t pid, const struct buf *before)
{
	struct buf pids = {0};

	if (task_tree(pid, &pids) < 0)
		die(EXIT_SYSTEM, "no memory");
	for (size_t i = 0; i < pids.size / sizeof(pid_t); i++) {
		pid_t stopped = ((pid_t *)pids.data)[i];

		if (!is_in(before, stopped))
			kill(stopped, SIGCONT);
	}
	buf_release(&pids);
}
