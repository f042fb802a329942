// SPDX-License-Identifier: GPL-3.0-or-later
#include "vmalist/round.h"

#include "vmalist/pages.h"

#include "base/num.h"
#include "base/own.h"
#include "proc/late_io.h"
#include "proc/lease.h"
#include "proc/procfs.h"
#include "proc/softdirty.h"
#include "proc/task.h"
#include "proc/uffd.h"
#include "proc/urgent.h"
#include "proc/uring.h"
#include "stage/base.h"
#include "stream/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* --- before the stop --- */

/* The tracker of a process; -1: there is none. */
static int find_tracker(struct round *round, uint32_t pid)
{
	struct task_stat stat;
	int tracker;

	if (task_stat((pid_t)pid, 0, &stat) < 0) {
		if (!procfs_is_gone())
			die_errno(EXIT_SYSTEM, "pid %" PRIu32, pid);
		return -1;
	}
	tracker_name(round->tracker_name, (pid_t)pid, stat.start_time);
	tracker = tracker_connect(round->tracker_name);
	if (tracker < 0 && errno == EACCES)
		die(EXIT_SYSTEM,
		    "pid %" PRIu32 ": another user tracks it; --track=none "
		    "copies it whole",
		    pid);
	if (tracker < 0 && errno != ECONNREFUSED)
		die_errno(EXIT_SYSTEM,
			  "pid %" PRIu32 ": cannot look for its memtrack", pid);
	return tracker;
}

static struct tracker_base base_of_directory(const char *path)
{
	own_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tracker_base base;
	struct head head;

	if (dir < 0)
		die_errno(EXIT_SYSTEM, "cannot open %s", path);
	if (head_read(&head, dir) < 0 && errno != ENOENT)
		die_errno(EXIT_INPUT, "%s: %s", path, HEAD_NAME);
	base = base_of_release(head.release);
	head_release(&head);
	return base;
}

static struct tracker_base base_of(const struct round_wish *wish)
{
	struct tracker_base base = {.wish = TRACKER_LAST};

	if (wish->full)
		base.wish = TRACKER_FULL;
	else if (wish->base && num_parse(wish->base, &base.generation) == 0)
		base.wish = TRACKER_GENERATION;
	else if (wish->base)
		base = base_of_directory(wish->base);
	return base;
}

static const char *why_full(enum tracker_full why)
{
	switch (why) {
	case TRACKER_HAS_BASE:
	case TRACKER_FULL_WANTED:
		break;
	case TRACKER_FULL_FIRST:
		return "it is the first one";
	case TRACKER_FULL_STRANGE:
		return "its base is not of this memtrack";
	case TRACKER_FULL_OLD:
		return "memtrack has no record of its base";
	case TRACKER_FULL_LOST:
		return "a round since its base was lost";
	}
	return "as asked for";
}

static void ask_tracker(struct round *round, const struct round_wish *wish)
{
	struct tracker_base base = base_of(wish);

	if (tracker_open(round->tracker, &base, &round->granted,
			 &round->known) < 0)
		die_errno(EXIT_SYSTEM, "memtrack does not answer");
	if (round->granted.why > TRACKER_FULL_WANTED)
		warn("this round is full: %s", why_full(round->granted.why));
}

static void need_soft_dirty(void)
{
	if (!softdirty_works())
		die(EXIT_SYSTEM, "this kernel has no soft-dirty bits "
				 "(CONFIG_MEM_SOFT_DIRTY): --track=none copies "
				 "the target whole");
}

static const char *method_name(enum tracker_method method)
{
	return method == TRACKER_UFFD ? "userfaultfd" : "soft-dirty bits";
}

static void need_tracker(const struct round *round,
			 const struct round_wish *wish, uint32_t pid)
{
	if (round->tracker >= 0)
		return;
	if (wish->track == TRACK_UFFD)
		die(EXIT_USAGE,
		    "pid %" PRIu32 ": no memtrack tracks it (memtrack "
		    "--daemon --track=uffd %" PRIu32 ")",
		    pid, pid);
	if (wish->base)
		die(EXIT_USAGE,
		    "pid %" PRIu32 ": no memtrack has a record of its rounds, "
		    "--base needs one (memtrack --daemon %" PRIu32 ")",
		    pid, pid);
}

/* soft-dirty bits can be cleared without a tracker, for criu to go on. */
static void choose(struct round *round, const struct round_wish *wish)
{
	enum tracker_method wanted = wish->track == TRACK_SOFT_DIRTY
					     ? TRACKER_SOFT_DIRTY
				     : wish->track == TRACK_UFFD ? TRACKER_UFFD
								 : TRACKER_NONE;

	round->method = wanted;
	if (round->tracker < 0)
		return;
	ask_tracker(round, wish);
	round->method = round->granted.method;
	if (wanted != TRACKER_NONE && wanted != round->method)
		die(EXIT_USAGE, "the memtrack of this target tracks by %s",
		    method_name(round->method));
}

void round_open(struct round *round, const struct round_wish *wish,
		Pagestream__Hello *hello)
{
	round->tracker = -1;
	if (wish->track == TRACK_NONE || !hello->n_named)
		return;
	round->tracker = find_tracker(round, hello->named[0]);
	need_tracker(round, wish, hello->named[0]);
	choose(round, wish);
	if (round->tracker >= 0) {
		hello->tracker = strdup(round->tracker_name);
		if (!hello->tracker)
			die(EXIT_SYSTEM, "no memory");
	}
	if (round->method != TRACKER_SOFT_DIRTY)
		return;
	need_soft_dirty();
	hello->hold = 1;
	urgent_begin(URGENT_WORK);
}

/* --- while it is stopped --- */

static _Noreturn void die_of_bits(pid_t pid)
{
	if (errno == EACCES || errno == EPERM)
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to clear its soft-dirty bits: run "
		    "as its owner or as root (CAP_DAC_OVERRIDE)",
		    pid);
	die_errno(EXIT_SYSTEM, "pid %d: cannot use its soft-dirty bits", pid);
}

static void clear(struct listing_task *task)
{
	vaddr_t canary = canary_page(listing_text(task));

	if (softdirty_clear(task->pid, task->living_tid) < 0)
		die_of_bits(task->pid);
	if (!canary || softdirty_is_set(task->pid, task->living_tid, canary))
		return; /* no stack, or gone */
	task->cleared = true;
	if (softdirty_set(task->pid, task->living_tid, canary) == 0)
		task->canary = canary;
}

static void clear_all(struct round *round, struct listing *listing)
{
	if (round->tracker >= 0 && tracker_clear(round->tracker) < 0)
		die_errno(EXIT_SYSTEM, "memtrack does not answer");
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		if (listing->tasks[i].scan)
			clear(&listing->tasks[i]);
}

static void need_stopped(const Pagestream__Hello *hello)
{
	own_fd int keeper = lease_watch(hello->keeper);

	if (keeper < 0 || !lease_is_stopped(keeper))
		die(EXIT_TARGET, "the target was not stopped all the time: it "
				 "was killed, or its keeper was");
}

void round_stopped(struct round *round, struct listing *listing,
		   const Pagestream__Hello *hello)
{
	if (round->method != TRACKER_SOFT_DIRTY)
		return;
	if (round->tracker >= 0)
		pages_scan(listing, PAGESCAN_SOFT_DIRTY);
	clear_all(round, listing);
	need_stopped(hello);
}

/* --- while it runs --- */

/* After it was told that there may be writes of which only we know. */
static void find_written(struct round *round, struct listing *listing)
{
	if (tracker_clear(round->tracker) < 0)
		die_errno(EXIT_SYSTEM, "memtrack does not answer");
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		struct listing_task *task = &listing->tasks[i];

		task->uffd = task->known ? task->known->uffd : -1;
		task->alone =
			task_has_descriptor(task->pid, task->living_tid,
					    "anon_inode:[userfaultfd]") == 0;
	}
	pages_scan(listing, PAGESCAN_WRITTEN);
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		struct listing_task *task = &listing->tasks[i];
		vaddr_t canary = canary_page(listing_text(task));

		task->cleared = task->scan && task->uffd >= 0;
		if (task->cleared && canary &&
		    uffd_touch(task->uffd, canary) == 0)
			task->canary = canary;
	}
}

/* --- afterwards --- */

void round_describe(const struct round *round, Pagestream__Release *release)
{
	release->tracking = (Pagestream__Tracking)round->method;
	if (round->tracker < 0)
		return;
	release->tracker.data = (uint8_t *)round->granted.id;
	release->tracker.len = sizeof(round->granted.id);
	release->generation = round->granted.generation;
	release->base_generation = round->granted.base;
	release->base_uptime_us = round->granted.base_uptime_us;
}

/*
 * What the scan has found written, and what is written behind its back: the
 * buffer may be one no more when the next round is made.
 */
static void fill_report(const struct listing *listing,
			const struct listing_task *task,
			struct tracker_task *out)
{
	struct runlist found = {0};
	int result = 0;

	for (size_t i = 0; result == 0 && i < task->found.nr; i++)
		if (task->found.all[i].flags & RUN_PRESENT)
			result = runlist_append(&found, &task->found.all[i],
						listing->page_size);
	if (result < 0 || runlist_unite(&out->report, &found, &task->pinned,
					RUN_PRESENT, listing->page_size) < 0)
		die(EXIT_SYSTEM, "no memory");
	runlist_release(&found);
}

static void report(const struct round *round, const struct listing *listing,
		   const struct listing_task *task)
{
	struct tracker_task out = {
		.key = task->key,
		.canary = task->canary,
		.whole = task->whole,
		.cleared = task->cleared,
		.late_io = task->async_io ||
			   late_io_is_direct(task->pid, task->living_tid),
		.uffd = -1,
	};

	fill_report(listing, task, &out);
	if (tracker_report(round->tracker, &out) < 0)
		die_errno(EXIT_SYSTEM, "memtrack does not answer");
	runlist_release(&out.report);
}

/* In a consistent copy the target may be the terminal, and is stopped. */
static void tell_foreign(const struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks && !listing->consistent;
	     i++) {
		const struct listing_task *task = &listing->tasks[i];

		if (task->known && task->known->canary && !task->whole)
			warn("pid %d: somebody else has cleared the marks of "
			     "what it has written: this round has all of it",
			     task->pid);
	}
}

/* Did the scan miss nothing since the last one of ours? */
static bool canary_sings(const struct tracker_task *known,
			 const struct listing_task *task, uint32_t page_size)
{
	struct run page = {known->canary, 1, 0};
	struct run piece;
	size_t at = 0;

	if (known->trusted)
		return true;
	return known->canary &&
	       runlist_cut(&task->found, &at, &page, &piece, page_size) &&
	       task->found.all[at].flags & RUN_PRESENT;
}

/* Which pages are written behind our back; nobody builds on a guess. */
static void find_pinned(struct listing_task *task)
{
	if (!task->async_io ||
	    uring_buffers(task->pid, task->living_tid, listing_text(task),
			  &task->pinned) == 0)
		return;
	runlist_release(&task->pinned);
	task->builds = false;
	task->cleared = false;
}

/* What has to go out whether it was written or not. */
static void fill_again(struct listing_task *task, uint32_t page_size)
{
	if (runlist_unite(&task->again, &task->known->report, &task->pinned,
			  RUN_PRESENT, page_size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

static void judge(struct round *round, struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		struct listing_task *task = &listing->tasks[i];

		if (!task->known)
			continue;
		task->whole =
			canary_sings(task->known, task, listing->page_size);
		task->builds = task->whole && task->known->whole;
		find_pinned(task);
		fill_again(task, listing->page_size);
	}
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		report(round, listing, &listing->tasks[i]);
	if (tracker_commit(round->tracker) < 0)
		die_errno(EXIT_SYSTEM, "memtrack does not answer");
	close(round->tracker);
	round->tracker = -1;
}

static void know_tasks(struct round *round, struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		listing->tasks[i].known =
			tracker_find(&round->known, &listing->tasks[i].key);
}

void round_scan(struct round *round, struct listing *listing)
{
	if (round->method == TRACKER_SOFT_DIRTY)
		urgent_end();
	if (round->tracker < 0)
		return;
	know_tasks(round, listing);
	if (round->method == TRACKER_UFFD)
		find_written(round, listing);
}

void round_report(struct round *round, struct listing *listing)
{
	if (round->tracker < 0)
		return;
	judge(round, listing);
	tell_foreign(listing);
}
