// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/sharer.h"

#include "base/dir.h"
#include "base/own.h"
#include "proc/attach.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * kcmp(2) gives an order of memories, so that they can be sorted.  One that it
 * does not compare (gone, or not ours to see) is no sharer.
 */
static int compare(const void *a, const void *b)
{
	long order = syscall(SYS_kcmp, *(const pid_t *)a, *(const pid_t *)b,
			     KCMP_VM, 0, 0);

	return order == 0 ? 0 : order == 1 ? -1 : 1;
}

bool sharer_is(pid_t pid, pid_t other)
{
	return compare(&pid, &other) == 0;
}

static bool is_known(const struct seize *seize, pid_t pid)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].pid == pid)
			return true;
	return false;
}

/* Kernel threads and zombies are alike in that they have none. */
static bool has_memory(pid_t pid)
{
	struct task_stat stat;

	return task_stat(pid, 0, &stat) == 0 && !stat.kernel_thread &&
	       stat.state != 'Z' && stat.state != 'X';
}

/* A leader may have exited; the process's memory is its other threads'. */
static size_t list_living(const struct seize *seize, pid_t *tids)
{
	size_t nr = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].nr_threads)
			tids[nr++] = seize->tasks[i].threads[0].tid;
	return nr;
}

static int add_if_shared(struct seize *seize, const pid_t *sorted, size_t nr,
			 pid_t pid)
{
	struct seize_task *task;

	if (pid <= 0 || is_known(seize, pid) ||
	    !bsearch(&pid, sorted, nr, sizeof(pid), compare) ||
	    !has_memory(pid))
		return 0;
	task = attach_add_task(seize, pid);
	if (!task)
		return -1;
	task->stray = true;
	return 0;
}

int sharers_add(struct seize *seize)
{
	own_free pid_t *sorted = calloc(seize->nr_tasks + 1, sizeof(*sorted));
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int result = sorted && dir ? 0 : -1;

	if (result == 0) {
		size_t nr = list_living(seize, sorted);

		qsort(sorted, nr, sizeof(*sorted), compare);
		while (result == 0 && (entry = dir_next(dir, &result)))
			result = add_if_shared(
				seize, sorted, nr,
				// NOLINTNEXTLINE(cert-err34-c): no task is 0
				(pid_t)atoi(entry->d_name));
	}
	if (dir)
		closedir(dir);
	return result;
}
