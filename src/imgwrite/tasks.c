// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgwrite/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Images are named by the innermost namespace's pid, which CRIU restores. */
static void refuse_twins(const struct tasks *tasks,
			 const struct task_image *new)
{
	for (uint32_t i = 0; i < tasks->nr; i++)
		if (tasks->all[i].ns_pid == new->ns_pid)
			die(EXIT_INPUT,
			    "pids %" PRIu32 " and %" PRIu32 " are both %" PRIu32
			    " in their own namespaces: copy them one by one",
			    tasks->all[i].pid, new->pid, new->ns_pid);
}

void tasks_add(struct tasks *tasks, const Pagestream__Task *task)
{
	struct task_image new = {
		.pid = task->pid,
		.ns_pid = task->ns_pid,
		.start_time = task->start_time,
		.start_stack = task->start_stack,
	};

	refuse_twins(tasks, &new);
	if (tasks->nr == tasks->room) {
		tasks->room = 2 * tasks->room + 16;
		tasks->all = reallocarray(tasks->all, tasks->room,
					  sizeof(*tasks->all));
		if (!tasks->all)
			die(EXIT_SYSTEM, "no memory");
	}
	tasks->all[tasks->nr++] = new;
}

static void wrote(int result)
{
	if (result < 0)
		die_errno(EXIT_SYSTEM, "cannot write the images");
}

static void close_image(struct tasks *tasks)
{
	if (!tasks->opened)
		return;
	writer_settle(&tasks->writer);
	wrote(pagemap_img_finish(&tasks->img));
	tasks->all[tasks->opened - 1].nr_pages = tasks->img.nr_present;
	tasks->nr_written += tasks->img.nr_present;
	pagemap_img_release(&tasks->img);
	parent_next_task(&tasks->parent);
}

/* The files of this task and of all before it, which had no pages. */
static void open_image(struct tasks *tasks, uint32_t subject,
		       uint32_t page_size)
{
	while (tasks->opened <= subject) {
		struct task_image *task = &tasks->all[tasks->opened];
		uint32_t last = tasks->opened ? task[-1].pages_id : 0;

		close_image(tasks);
		task->pages_id = others_next_pages(tasks->others, last);
		wrote(pagemap_img_create(&tasks->img, tasks->dir, task->ns_pid,
					 task->pages_id, page_size));
		tasks->opened++;
	}
}

static void copy_body(struct tasks *tasks, struct stage *stage, uint32_t size)
{
	struct pagemap_img *img = &tasks->img;

	while (size) {
		struct writer_piece *piece = writer_next(&tasks->writer);

		piece->fd = tasks->index ? -1 : img->pages;
		piece->offset = img->offset;
		piece->size = size < WRITER_PIECE ? size : WRITER_PIECE;
		piece->data =
			stage_body_shared(stage, piece->size, &piece->ring);
		if (!piece->data) {
			stage_body(stage, piece->room, piece->size);
			piece->data = piece->room;
		}
		pagemap_img_hole(img, piece->size);
		size -= piece->size;
		writer_put(&tasks->writer);
	}
}

static void hold(struct tasks *tasks, uint32_t subject, uint32_t page_size,
		 const struct run *run)
{
	const struct task_image *image = &tasks->all[subject];
	struct parent_task task = {
		.ns_pid = image->ns_pid,
		.start_time = image->start_time,
		.start_stack = image->start_stack,
		.clk_tck = tasks->clk_tck,
		.page_size = page_size,
	};

	parent_hold(&tasks->parent, &task, run);
}

void tasks_write(struct tasks *tasks, struct stage *stage, uint32_t subject)
{
	uint32_t page_size = stage->in.hello->page_size;
	uint32_t bytes = 0; /* of PRESENT runs, not yet copied */

	open_image(tasks, subject, page_size);
	for (uint32_t i = 0; i < stage->in.nr_runs; i++) {
		const struct run *run = &stage->in.runs[i];
		uint64_t size = (uint64_t)run->nr_pages * page_size;

		if (run->flags & RUN_PARENT)
			hold(tasks, subject, page_size, run);
		wrote(pagemap_img_add(&tasks->img, run));
		if (run->flags & RUN_PRESENT)
			bytes += (uint32_t)size;
		if (!(run->flags & RUN_ZERO))
			continue;
		copy_body(tasks, stage, bytes);
		pagemap_img_hole(&tasks->img, size);
		bytes = 0;
	}
	copy_body(tasks, stage, bytes);
}

static void leave_out(struct tasks *tasks, uint32_t subject)
{
	struct task_image *task = &tasks->all[subject];
	char name[32];

	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", task->ns_pid);
	wrote(unlinkat(tasks->dir, name, 0));
	snprintf(name, sizeof(name), "pages-%" PRIu32 ".img", task->pages_id);
	wrote(unlinkat(tasks->dir, name, 0));
	tasks->nr_written -= task->nr_pages;
	warn("pid %" PRIu32 " ended, or called exec, while it was copied: "
	     "left out",
	     task->pid);
}

void tasks_finish(struct tasks *tasks, struct stage *stage)
{
	const Pagestream__End *end = stage->in.end;

	if (tasks->nr)
		open_image(tasks, tasks->nr - 1, stage->in.hello->page_size);
	close_image(tasks);
	for (size_t i = 0; i < end->n_gone; i++)
		leave_out(tasks, end->gone[i]);
}
