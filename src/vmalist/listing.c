// SPDX-License-Identifier: GPL-3.0-or-later
#include "vmalist/listing.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/own.h"
#include "proc/maps.h"
#include "proc/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VMAS_BYTES (64 << 10) /* of names and fields in one VMAS frame */
#define VMAS_MAX   1024
#define ALIVE_NS   (50 * MS_NS)
#define RUNS_CHUNK 1024 /* runs in one frame */

static _Noreturn void no_memory(void)
{
	die(EXIT_SYSTEM, "no memory");
}

void listing_prepare(struct listing *listing, const Pagestream__Hello *hello)
{
	listing->consistent = hello->mode == PAGESTREAM__MODE__CONSISTENT;
	listing->page_size = hello->page_size;
}

static struct listing_task *new_task(struct listing *listing)
{
	if (listing->nr_tasks == listing->room_tasks) {
		uint32_t room = 2 * listing->room_tasks + 16;

		listing->tasks = reallocarray(listing->tasks, room,
					      sizeof(*listing->tasks));
		listing->gone = reallocarray(listing->gone, room,
					     sizeof(*listing->gone));
		listing->async_io = reallocarray(listing->async_io, room,
						 sizeof(*listing->async_io));
		if (!listing->tasks || !listing->gone || !listing->async_io)
			no_memory();
		listing->room_tasks = room;
	}
	return &listing->tasks[listing->nr_tasks++];
}

static _Noreturn void die_of_task(pid_t pid)
{
	switch (errno) {
	case ENOTTY:
		die(EXIT_SYSTEM, "this kernel has no PAGEMAP_SCAN (Linux "
				 "6.7): use --scan=pagemap");
	case EACCES:
	case EPERM:
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to look into it: run all stages as "
		    "its owner or as root",
		    pid);
	default:
		die_errno(EXIT_SYSTEM, "pid %d: cannot list its memory", pid);
	}
}

void listing_add(struct listing *listing, const Pagestream__Task *message,
		 enum pagescan_method method)
{
	struct listing_task *task = new_task(listing);

	*task = (struct listing_task){
		.pid = (pid_t)message->pid,
		.living_tid = (pid_t)message->living_tid,
		.named = message->named,
	};
	task->scan = pagescan_open(task->pid, task->living_tid, method);
	for (int tries = 0; tries < TASK_TRIES && !task->scan; tries++)
		if ((errno == ENOENT || errno == ESRCH) &&
		    task_another_thread(task->pid, &task->living_tid))
			task->scan = pagescan_open(task->pid, task->living_tid,
						   method);
	if (!task->scan && errno != ENOENT && errno != ESRCH)
		die_of_task(task->pid);
}

void listing_add_maps(struct listing *listing, uint32_t subject,
		      const Pagestream__Maps *maps)
{
	struct buf *text = &listing->tasks[subject].maps;

	if (buf_append(text, maps->text.data, maps->text.len) < 0 ||
	    buf_reserve(text, 1) < 0)
		no_memory();
	text->data[text->size] = 0;
}

enum _Pagestream__Scan listing_method(const struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		if (!listing->tasks[i].scan)
			continue;
		return pagescan_method(listing->tasks[i].scan) == PAGESCAN_IOCTL
			       ? PAGESTREAM__SCAN__SCAN_IOCTL
			       : PAGESTREAM__SCAN__SCAN_PAGEMAP;
	}
	return PAGESTREAM__SCAN__SCAN_NONE;
}

static const char *text_of(const struct listing_task *task)
{
	return task->maps.size ? task->maps.data : "";
}

static bool next_vma(const struct listing_task *task, const char **at,
		     struct vma *vma)
{
	int result = maps_next(at, vma);

	if (result < 0)
		die(EXIT_SYSTEM, "pid %d: a line of its maps is not understood",
		    task->pid);
	return result;
}

/* io_uring and libaio rings show in maps; an io_uring need not be mapped. */
static bool has_ring(const struct listing_task *task)
{
	const char *text = text_of(task);

	return strstr(text, " /[aio]") ||
	       strstr(text, " anon_inode:[io_uring]") ||
	       task_has_descriptor(task->pid, task->living_tid,
				   "anon_inode:[io_uring]") > 0;
}

void listing_find_async_io(struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		if (has_ring(&listing->tasks[i]))
			listing->async_io[listing->nr_async_io++] = i;
}

/* One VMAS frame in the making. */
struct vmas_frame {
	Pagestream__Vma vmas[VMAS_MAX];
	Pagestream__Vma *pointers[VMAS_MAX];
	size_t nr;
	size_t bytes;
};

static void flush_vmas(struct vmas_frame *out, struct stage *stage,
		       uint32_t subject)
{
	Pagestream__Vmas message = PAGESTREAM__VMAS__INIT;

	if (!out->nr)
		return;
	message.n_vmas = out->nr;
	message.vmas = out->pointers;
	stage_control(stage, KIND_VMAS, subject, &message.base);
	out->nr = 0;
	out->bytes = 0;
}

static void add_vma(struct vmas_frame *out, const struct vma *vma)
{
	Pagestream__Vma *message = &out->vmas[out->nr];

	pagestream__vma__init(message);
	message->start = vma->start;
	message->end = vma->end;
	message->prot = vma->prot;
	message->kind = vma_kind(vma);
	message->offset = vma->offset;
	message->dev_major = vma->dev_major;
	message->dev_minor = vma->dev_minor;
	message->inode = vma->inode;
	message->name.data = (uint8_t *)vma->name;
	message->name.len = vma->name_size < 4096 ? vma->name_size : 4096;
	out->pointers[out->nr++] = message;
	out->bytes += message->name.len + sizeof(*message);
}

static void write_vmas_of(const struct listing *listing, uint32_t subject,
			  struct vmas_frame *out, struct stage *stage)
{
	const struct listing_task *task = &listing->tasks[subject];
	const char *at = text_of(task);
	struct vma vma;

	while (next_vma(task, &at, &vma)) {
		add_vma(out, &vma);
		if (out->nr == VMAS_MAX || out->bytes > VMAS_BYTES)
			flush_vmas(out, stage, subject);
	}
	flush_vmas(out, stage, subject);
}

void listing_write_vmas(struct listing *listing, struct stage *stage)
{
	own_free struct vmas_frame *out = calloc(1, sizeof(*out));

	if (!out)
		no_memory();
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		write_vmas_of(listing, i, out, stage);
}

/* One RUNS frame in the making. */
struct runs_frame {
	struct run runs[RUNS_CHUNK];
	uint32_t nr;
};

static void flush_runs(struct runs_frame *out, struct stage *stage,
		       uint32_t subject)
{
	if (out->nr)
		stage_runs(stage, subject, out->runs, out->nr);
	out->nr = 0;
}

static void add_run(struct runs_frame *out, struct stage *stage,
		    uint32_t subject, const struct run *run)
{
	uint32_t page_size = stage->in.hello->page_size;

	if (out->nr && run_join(&out->runs[out->nr - 1], run, page_size))
		return;
	if (out->nr == RUNS_CHUNK)
		flush_runs(out, stage, subject);
	out->runs[out->nr++] = *run;
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

static int scan_vma(struct listing_task *task, const struct vma *vma,
		    struct runs_frame *out, struct stage *stage,
		    uint32_t subject)
{
	struct run run;
	int result;

	pagescan_begin(task->scan, vma_kind(vma), vma->start, vma->end);
	while ((result = pagescan_next(task->scan, &run)) > 0)
		add_run(out, stage, subject, &run);
	return result;
}

static void note_gone(struct listing *listing, uint32_t subject)
{
	listing->gone[listing->nr_gone++] = subject;
	if (listing->tasks[subject].named)
		listing->named_gone = true;
}

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

static void write_runs_of(struct listing *listing, uint32_t subject,
			  struct runs_frame *out, struct stage *stage)
{
	struct listing_task *task = &listing->tasks[subject];
	const char *at = text_of(task);
	struct left_out left = {0};
	struct vma vma;
	int result = 0;

	if (!task->scan) {
		note_gone(listing, subject);
		return;
	}
	pagescan_tick(task->scan, tick, listing);
	while (result == 0 && next_vma(task, &at, &vma)) {
		if (vma_is_wanted(&vma))
			result = scan_vma(task, &vma, out, stage, subject);
		else
			leave_out(&left, &vma);
	}
	flush_runs(out, stage, subject);
	if (result < 0 && errno == ESRCH)
		note_gone(listing, subject);
	else if (result < 0)
		die_errno(EXIT_SYSTEM, "pid %d: cannot read its pagemap",
			  task->pid);
	tell_left_out(listing, task, &left);
	pagescan_close(task->scan);
	task->scan = NULL;
}

void listing_write_runs(struct listing *listing, struct stage *stage)
{
	struct runs_frame out;

	out.nr = 0;
	listing->stage = stage;
	for (uint32_t i = 0; i < listing->nr_tasks; i++)
		write_runs_of(listing, i, &out, stage);
}
