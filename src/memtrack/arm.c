// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/arm.h"

#include "memtrack/taker.h"

#include "base/die.h"
#include "base/own.h"
#include "proc/maps.h"
#include "proc/pagescan.h"
#include "proc/procfs.h"
#include "proc/task.h"
#include "proc/uffd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What is written from now on, is reported; what was before, is not. */
static void protect(struct pagescan *scan, const struct vma *vma)
{
	struct run run;

	pagescan_begin(scan, vma_kind(vma), vma->start, vma->end);
	while (pagescan_next(scan, &run) > 0)
		;
}

/* What cannot be registered is sent whole each time: vmalist finds that. */
static void protect_all(pid_t pid, pid_t tid, int uffd)
{
	struct pagescan *scan = pagescan_open(pid, tid, PAGESCAN_IOCTL);
	struct uffd_target target = {uffd, scan, false};
	struct buf maps = {0};
	const char *at;
	struct vma vma;

	if (scan && procfs_read(pid, tid, "maps", &maps) == 0) {
		at = maps.data;
		pagescan_split(scan, PAGESCAN_WRITTEN);
		while (maps_next(&at, &vma) > 0)
			if (uffd_register(&target, &vma) == 0)
				protect(scan, &vma);
	}
	buf_release(&maps);
	pagescan_close(scan);
}

static int key_of(pid_t pid, pid_t *tid, struct tracker_key *key)
{
	struct task_stat stat;

	*tid = 0;
	if (!task_another_thread(pid, tid) || task_stat(pid, 0, &stat) < 0)
		return -1;
	*key = (struct tracker_key){pid, stat.start_time, stat.start_stack};
	return 0;
}

int arm_process(struct armed *armed, pid_t pid)
{
	struct tracker_task *task;
	struct tracker_key key;
	pid_t tid;
	int uffd;

	if (key_of(pid, &tid, &key) < 0)
		return -1;
	if (tracker_find(&armed->tasks, &key))
		return 0;
	uffd = taker_take(pid);
	if (uffd < 0)
		return -1;
	protect_all(pid, tid, uffd);
	task = tracker_add(&armed->tasks, &key);
	if (!task)
		die(EXIT_SYSTEM, "no memory");
	task->uffd = uffd;
	return 0;
}

void arm_later(struct armed *armed, pid_t pid)
{
	pid_t *waiting = (pid_t *)armed->waiting.data;

	for (size_t i = 0; i < armed->waiting.size / sizeof(pid); i++)
		if (waiting[i] == pid)
			return;
	if (buf_append(&armed->waiting, &pid, sizeof(pid)) < 0)
		die(EXIT_SYSTEM, "no memory");
}

bool arm_waiting(struct armed *armed)
{
	struct buf before = armed->waiting;

	armed->waiting = (struct buf){0};
	for (size_t i = 0; i < before.size / sizeof(pid_t); i++) {
		pid_t pid = ((pid_t *)before.data)[i];

		if (arm_process(armed, pid) < 0 &&
		    (errno == EBUSY || errno == ETIMEDOUT))
			arm_later(armed, pid);
	}
	buf_release(&before);
	return armed->waiting.size;
}

static bool lives(const struct tracker_key *key)
{
	struct tracker_key now;
	pid_t tid;

	return key_of(key->pid, &tid, &now) == 0 && tracker_key_is(&now, key);
}

/* Ended, or another program now. */
static void drop_dead(struct tracker_tasks *tasks)
{
	for (size_t i = tasks->nr; i-- > 0;) {
		if (lives(&tasks->all[i].key))
			continue;
		close(tasks->all[i].uffd);
		tasks->all[i] = tasks->all[--tasks->nr];
	}
}

void arm_new(struct armed *armed, const struct tracker_tasks *round)
{
	drop_dead(&armed->tasks);
	for (size_t i = 0; i < round->nr; i++)
		if (!tracker_find(&armed->tasks, &round->all[i].key))
			arm_later(armed, round->all[i].key.pid);
	arm_waiting(armed);
}
