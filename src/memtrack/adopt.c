// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/adopt.h"

#include "base/die.h"
#include "base/own.h"
#include "image/pagemap_img.h"
#include "image/summary_img.h"
#include "proc/task.h"
#include "stage/base.h"
#include "stream/head.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define VADDR_END (UINT64_C(1) << 56) /* no process has memory behind it */

/* What the directory has not: that is to be sent, written or not. */
static void invert(const struct record *record, const struct pagemap_list *held,
		   struct tracker_task *task)
{
	struct runlist list = {0};
	int result = 0;

	for (size_t i = 0; result == 0 && i < held->nr; i++) {
		const struct pagemap_entry *entry = &held->entries[i];
		struct run run = {entry->vaddr, (uint32_t)entry->nr_pages,
				  RUN_PRESENT};

		if (entry->flags & (PAGEMAP_PRESENT | PAGEMAP_PARENT))
			result = runlist_append(&list, &run, record->page_size);
	}
	if (result == 0)
		result = runlist_invert(&task->report, &list, VADDR_END,
					RUN_PRESENT, record->page_size);
	runlist_release(&list);
	if (result < 0)
		die(EXIT_SYSTEM, "no memory");
}

/* As criu: a process that began after the dump has its pid only. */
static bool is_younger(uint64_t start_time, uint64_t uptime_us)
{
	uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);

	return start_time >= uptime_us / tick_us;
}

static void adopt_process(struct record *record, struct recorded_round *round,
			  int dir, pid_t pid)
{
	struct tracker_key key = {.pid = pid};
	struct pagemap_list held;
	struct tracker_task *task;
	struct task_status status;
	struct task_stat stat;

	if (task_stat(pid, 0, &stat) < 0 || task_status(pid, 0, &status) < 0 ||
	    is_younger(stat.start_time, record->adopted_uptime_us))
		return;
	if (pagemap_list_read(&held, dir, (uint32_t)status.ns_pid,
			      record->page_size) < 0) {
		if (errno == ENOENT)
			return;
		die_errno(EXIT_INPUT, "pagemap-%d.img", status.ns_pid);
	}
	key.start_time = stat.start_time;
	key.start_stack = stat.start_stack;
	task = tracker_add(&round->tasks, &key);
	if (!task)
		die(EXIT_SYSTEM, "no memory");
	task->trusted = true;
	task->whole = true;
	task->cleared = true;
	invert(record, &held, task);
	pagemap_list_release(&held);
}

/* Which round of which tracker a directory of ours is. */
static void note_head(struct record *record, int dir)
{
	struct head head;

	if (head_read(&head, dir) < 0)
		head_release(&head);
	record->adopted = base_of_release(head.release);
	head_release(&head);
}

void adopt(struct record *record, const char *path, const struct buf *pids)
{
	own_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tracker_base full = {.wish = TRACKER_FULL};
	struct tracker_tasks none = {0};
	struct tracker_round granted;
	struct recorded_round *round;

	if (dir < 0)
		die_errno(EXIT_SYSTEM, "cannot open %s", path);
	if (inventory_read(dir, &record->adopted_uptime_us) < 0)
		die_errno(EXIT_INPUT, "%s: no whole image directory: %s", path,
			  INVENTORY_NAME);
	if (!record->adopted_uptime_us)
		die(EXIT_INPUT,
		    "%s: does not say when it was made: it was dumped without "
		    "--track-mem, and nothing can build on it",
		    path);
	note_head(record, dir);
	record_open(record, &full, &granted, &none);
	round = record_now(record);
	for (size_t i = 0; i < pids->size / sizeof(pid_t); i++)
		adopt_process(record, round, dir, ((pid_t *)pids->data)[i]);
	if (!round->tasks.nr)
		die(EXIT_INPUT, "%s: holds none of these processes", path);
	record_commit(record);
}
