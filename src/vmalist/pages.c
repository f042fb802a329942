// SPDX-License-Identifier: GPL-3.0-or-later
#include "vmalist/pages.h"

#include "base/clock.h"
#include "base/num.h"
#include "proc/uffd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define ALIVE_NS   (50 * MS_NS)
#define RUNS_CHUNK 1024 /* runs in one frame */

/* What is left out, by kind; the user learns of it with -v. */
struct left_out {
	uint32_t mappings[VMA_KINDS];
	uint64_t bytes[VMA_KINDS];
};

static void leave_out(struct left_out *left, const struct vma *vma)
{
	left->mappings[vma_kind(vma)]++;
	left->bytes[vma_kind(vma)] += vma->end - vma->start;
}

/* In a consistent copy the target may be the terminal, and is stopped. */
static void tell_left_out(const struct listing *listing,
			  const struct listing_task *task,
			  const struct left_out *left)
{
	for (int kind = 0; kind < VMA_KINDS && !listing->consistent; kind++)
		if (left->mappings[kind])
			detail("pid %d: left out: %" PRIu32
			       " %s mappings, %s%s",
			       task->pid, left->mappings[kind],
			       vma_kind_name((enum vma_kind)kind),
			       num_bytes(left->bytes[kind]).text,
			       kind == VMA_SHARED_MEMORY
				       ? " (criu dump copies them itself)"
				       : "");
}

/* --- finding --- */

/* Takes each run that is there, in order. */
struct taker {
	void (*take)(struct taker *, struct listing_task *, const struct run *);
	uint32_t page_size;
	enum pagescan_split split;
};

/*
 * Mappings of one kind that touch are searched at once: one call for 100,000
 * of them is faster than 100,000.
 */
struct stretch {
	enum vma_kind kind;
	enum pagescan_split split;
	vaddr_t start;
	vaddr_t end; /* 0: there is none yet */
};

/* What cannot be registered is taken for written, all of it. */
static struct stretch stretch_of(const struct listing_task *task,
				 const struct vma *vma,
				 enum pagescan_split split)
{
	struct uffd_target target = {task->uffd, task->scan, task->alone};

	if (split == PAGESCAN_WRITTEN &&
	    (task->uffd < 0 || uffd_register(&target, vma) < 0))
		split = PAGESCAN_WHOLE;
	return (struct stretch){vma_kind(vma), split, vma->start, vma->end};
}

static bool extend(struct stretch *stretch, const struct stretch *next)
{
	if (stretch->end != next->start || stretch->kind != next->kind ||
	    stretch->split != next->split)
		return false;
	stretch->end = next->end;
	return true;
}

static int find_in(struct listing_task *task, struct stretch *stretch,
		   struct taker *taker)
{
	struct run run;
	int result = 0;

	if (!stretch->end)
		return 0;
	pagescan_split(task->scan, stretch->split);
	pagescan_begin(task->scan, stretch->kind, stretch->start, stretch->end);
	while ((result = pagescan_next(task->scan, &run)) > 0)
		taker->take(taker, task, &run);
	stretch->end = 0;
	return result;
}

/* A task whose memory is gone has no scan afterwards. */
static void find(struct listing_task *task, struct taker *taker)
{
	const char *at = listing_text(task);
	struct stretch stretch = {.end = 0};
	struct vma vma;
	int result = 0;

	while (result == 0 && listing_next_vma(task, &at, &vma)) {
		struct stretch next;

		if (!vma_is_wanted(&vma))
			continue;
		next = stretch_of(task, &vma, taker->split);
		if (extend(&stretch, &next))
			continue;
		result = find_in(task, &stretch, taker);
		stretch = next;
	}
	if (result == 0)
		result = find_in(task, &stretch, taker);
	if (result == 0)
		return;
	if (errno != ESRCH)
		die_errno(EXIT_SYSTEM, "pid %d: cannot read its pagemap",
			  task->pid);
	pagescan_close(task->scan);
	task->scan = NULL;
}

static void take_found(struct taker *taker, struct listing_task *task,
		       const struct run *run)
{
	if (runlist_append(&task->found, run, taker->page_size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

void pages_scan(struct listing *listing, enum pagescan_split split)
{
	struct taker taker = {take_found, listing->page_size, split};

	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		struct listing_task *task = &listing->tasks[i];

		if (!task->scan)
			continue;
		find(task, &taker);
		task->scanned = true;
	}
}

/* --- writing --- */

/* One RUNS frame in the making. */
struct runs_frame {
	struct taker taker;
	struct stage *stage;
	uint32_t subject;
	struct run runs[RUNS_CHUNK];
	uint32_t nr;
};

static void flush_runs(struct runs_frame *out)
{
	if (out->nr)
		stage_runs(out->stage, out->subject, out->runs, out->nr);
	out->nr = 0;
}

static void add_run(struct runs_frame *out, const struct run *run)
{
	if (out->nr &&
	    run_join(&out->runs[out->nr - 1], run, out->taker.page_size))
		return;
	if (out->nr == RUNS_CHUNK)
		flush_runs(out);
	out->runs[out->nr++] = *run;
}

static void take_now(struct taker *taker, struct listing_task *unused,
		     const struct run *run)
{
	(void)unused;
	add_run((struct runs_frame *)taker, run);
}

/*
 * What was not written is the base's, unless a scan since then has reported
 * it.
 */
static void write_found(struct runs_frame *out, const struct listing_task *task)
{
	size_t place = 0;

	for (size_t i = 0; i < task->found.nr; i++) {
		struct run run = task->found.all[i];

		while (task->builds && run.flags & RUN_PARENT && run.nr_pages) {
			struct run piece;

			if (runlist_cut(&task->again, &place, &run, &piece,
					out->taker.page_size))
				piece.flags = RUN_PRESENT;
			add_run(out, &piece);
		}
		run.flags = RUN_PRESENT;
		if (run.nr_pages)
			add_run(out, &run);
	}
}

static void note_gone(struct listing *listing, uint32_t subject)
{
	listing->gone[listing->nr_gone++] = subject;
	if (listing->tasks[subject].named)
		listing->named_gone = true;
}

/*
 * A search through a large hole writes nothing for long; who waits for it
 * must not take that for a stall.
 */
static void tick(void *of)
{
	struct listing *listing = of;
	uint64_t now = clock_ns();

	if (now < listing->alive_ns + ALIVE_NS)
		return;
	listing->alive_ns = now;
	stage_alive(listing->stage);
}

static void count_left_out(const struct listing_task *task,
			   struct left_out *left)
{
	const char *at = listing_text(task);
	struct vma vma;

	while (listing_next_vma(task, &at, &vma))
		if (!vma_is_wanted(&vma))
			leave_out(left, &vma);
}

static void write_task(struct listing *listing, struct runs_frame *out)
{
	struct listing_task *task = &listing->tasks[out->subject];
	struct left_out left = {0};

	if (task->scan && task->scanned) {
		write_found(out, task);
	} else if (task->scan) {
		pagescan_tick(task->scan, tick, listing);
		find(task, &out->taker);
	}
	flush_runs(out);
	if (!task->scan) {
		note_gone(listing, out->subject);
		return;
	}
	count_left_out(task, &left);
	tell_left_out(listing, task, &left);
	pagescan_close(task->scan);
	task->scan = NULL;
}

void pages_write(struct listing *listing, struct stage *stage)
{
	struct runs_frame out = {
		.taker = {take_now, listing->page_size},
		.stage = stage,
	};

	listing->stage = stage;
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		out.subject = i;
		write_task(listing, &out);
	}
}
