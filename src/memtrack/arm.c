// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/arm.h"

#include "memtrack/taker.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/own.h"
#include "proc/late_io.h"
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

/*
 * What cannot be registered is sent whole each time: vmalist finds that. False:
 * somebody else has registered some, as the process has no userfaultfd itself.
 */
static bool protect_maps(struct uffd_target *target, bool has_uffd,
			 const char *at)
{
	struct vma vma;

	while (maps_next(&at, &vma) > 0) {
		if (uffd_register(target, &vma) == 0)
			protect(target->scan, &vma);
		else if (errno == EBUSY && !has_uffd)
			return false;
	}
	return true;
}

static int protect_all(struct armed *armed, pid_t pid, pid_t tid, int uffd)
{
	struct pagescan *scan = pagescan_open(pid, tid, PAGESCAN_IOCTL);
	struct uffd_target target = {uffd, scan, false};
	bool has_uffd =
		task_has_descriptor(pid, tid, "anon_inode:[userfaultfd]") != 0;
	struct buf maps = {0};
	bool ours = true;

	if (scan && procfs_read(pid, tid, "maps", &maps) == 0) {
		pagescan_split(scan, PAGESCAN_WRITTEN);
		ours = protect_maps(&target, has_uffd, maps.data);
		if (late_io_is_async(pid, tid, maps.data) ||
		    late_io_is_direct(pid, tid))
			armed->settled_ns = clock_ns() + LATE_IO_NS;
	}
	buf_release(&maps);
	pagescan_close(scan);
	errno = EALREADY;
	return ours ? 0 : -1;
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
	own_fd int uffd = -1;

	if (key_of(pid, &tid, &key) < 0)
		return -1;
	if (tracker_find(&armed->tasks, &key))
		return 0;
	uffd = taker_take(pid);
	if (uffd < 0 || protect_all(armed, pid, tid, uffd) < 0)
		return -1;
	task = tracker_add(&armed->tasks, &key);
	if (!task)
		die(EXIT_SYSTEM, "no memory");
	task->uffd = steal_fd(&uffd);
	return 0;
}

void arm_settle(const struct armed *armed)
{
	uint64_t now = clock_ns();

	if (armed->settled_ns > now)
		usleep((useconds_t)((armed->settled_ns - now) / 1000 + 1));
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
	arm_settle(armed);
	return armed->waiting.size;
}

/* Without address randomization the new program's key is the old one's. */
static bool lives(const struct tracker_task *task)
{
	struct tracker_key now;
	pid_t tid;

	return key_of(task->key.pid, &tid, &now) == 0 &&
	       tracker_key_is(&now, &task->key) && uffd_lives(task->uffd);
}

/* Ended, or another program now. */
static void drop_dead(struct tracker_tasks *tasks)
{
	for (size_t i = tasks->nr; i-- > 0;) {
		if (lives(&tasks->all[i]))
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
