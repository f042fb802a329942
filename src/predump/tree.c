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

static void note_children(pid_t pid, struct buf *out)
{
	struct buf tids = {0};
	struct buf children = {0};

	task_threads(pid, &tids);
	for (size_t i = 0; i < tids.size / sizeof(pid_t); i++)
		task_children(pid, ((pid_t *)tids.data)[i], &children);
	for (size_t i = 0; i < children.size / sizeof(pid_t); i++)
		tree_stopped(((pid_t *)children.data)[i], out);
	buf_release(&tids);
	buf_release(&children);
}

void tree_stopped(pid_t pid, struct buf *out)
{
	note(pid, out);
	note_children(pid, out);
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
	struct buf now = {0};

	tree_stopped(pid, &now);
	for (size_t i = 0; i < now.size / sizeof(pid_t); i++) {
		pid_t stopped = ((pid_t *)now.data)[i];

		if (!is_in(before, stopped))
			kill(stopped, SIGCONT);
	}
	buf_release(&now);
}
