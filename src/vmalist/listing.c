// SPDX-License-Identifier: GPL-3.0-or-later
#include "vmalist/listing.h"

#include "base/own.h"
#include "proc/late_io.h"
#include "proc/maps.h"
#include "proc/task.h"

#include <errno.h>
#include <string.h>

#define VMAS_BYTES (64 << 10) /* of names and fields in one VMAS frame */
#define VMAS_MAX   1024

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
		    "its owner or as root (CAP_SYS_PTRACE)",
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
		.uffd = -1,
		.key = {(pid_t)message->pid, message->start_time,
			message->start_stack},
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

const char *listing_text(const struct listing_task *task)
{
	return task->maps.size ? task->maps.data : "";
}

bool listing_next_vma(const struct listing_task *task, const char **at,
		      struct vma *vma)
{
	int result = maps_next(at, vma);

	if (result < 0)
		die(EXIT_SYSTEM, "pid %d: a line of its maps is not understood",
		    task->pid);
	return result;
}

void listing_find_async_io(struct listing *listing)
{
	for (uint32_t i = 0; i < listing->nr_tasks; i++) {
		struct listing_task *task = &listing->tasks[i];

		task->async_io = late_io_is_async(task->pid, task->living_tid,
						  listing_text(task));
		if (task->async_io)
			listing->async_io[listing->nr_async_io++] = i;
	}
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
	const char *at = listing_text(task);
	struct vma vma;

	while (listing_next_vma(task, &at, &vma)) {
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
