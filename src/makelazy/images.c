// SPDX-License-Identifier: GPL-3.0-or-later
#include "makelazy/images.h"

#include "image/core_img.h"
#include "image/mm_img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void refuse(const struct image_piece *piece, const char *why)
{
	char name[IMAGE_NAME_SIZE];

	if (errno != EBADMSG)
		die(EXIT_SYSTEM, "no memory");
	if (image_type_name(image_type_numbered(piece->type), piece->id, name))
		die(EXIT_INPUT, "an image file with a number that it cannot "
				"have");
	die(EXIT_INPUT, "%s: %s", name, why);
}

/* --- whole files --- */

static void take_tree(struct images *images, const struct image_piece *piece)
{
	if (pstree_img_parse(&images->tree, images->file.data,
			     images->file.size) < 0)
		refuse(piece, images->tree.why);
	images->has_tree = true;
}

static void take_core(struct images *images, const struct image_piece *piece)
{
	size_t nr = images->nr_stacks;
	struct core_img core;

	if (core_img_parse(&core, images->file.data, images->file.size) < 0)
		refuse(piece, core.why);
	if (!(nr & (nr - 1)))
		images->stacks = reallocarray(images->stacks, 2 * nr + 1,
					      sizeof(*images->stacks));
	if (!images->stacks)
		die(EXIT_SYSTEM, "no memory");
	images->stacks[images->nr_stacks++] =
		(struct stack){(uint32_t)piece->id, core.has_sp, core.sp};
}

static int compare(const void *a, const void *b)
{
	const struct stack *left = a;
	const struct stack *right = b;

	return left->tid < right->tid ? -1 : left->tid > right->tid;
}

static void take_stack(const struct images *images, struct task *task,
		       uint32_t tid)
{
	struct stack wanted = {.tid = tid};
	const struct stack *stack =
		images->nr_stacks
			? bsearch(&wanted, images->stacks, images->nr_stacks,
				  sizeof(wanted), compare)
			: NULL;

	if (!stack)
		die(EXIT_INPUT,
		    "core-%" PRIu32 ".img, which pstree.img names, is not in "
		    "the stream",
		    tid);
	if (stack->has_sp)
		task_add_stack(task, stack->sp);
}

/* What TASK and VMAS said is of another moment, perhaps. */
static void begin_task(const struct images *images, struct task *task)
{
	const struct pstree_task *found =
		pstree_img_find(&images->tree, task->ns_pid);

	if (!found)
		die(EXIT_INPUT,
		    "mm-%" PRIu32 ".img: its process is not in pstree.img",
		    task->ns_pid);
	task->has_mm = true;
	task->listed = true;
	task->nr_stacks = 0;
	runlist_release(&task->may);
	runlist_release(&task->quiet);
	task->low = 0;
	for (size_t i = 0; i < found->nr_tids; i++)
		take_stack(images, task, found->tids[i]);
}

static void take_mm(struct images *images, const struct image_piece *piece,
		    struct tasks *tasks)
{
	struct task *task = tasks_find(tasks, (uint32_t)piece->id);
	struct mm_img mm;

	if (mm_img_parse(&mm, images->file.data, images->file.size,
			 tasks->page_size) < 0)
		refuse(piece, mm.why);
	if (!images->has_tree)
		die(EXIT_INPUT,
		    "there is an mm-%" PRIu64 ".img, but no "
		    "pstree.img",
		    piece->id);
	if (task)
		begin_task(images, task);
	for (size_t i = 0; task && i < mm.nr; i++)
		task_add_mapping(tasks, task, mm.vmas[i].start, mm.vmas[i].end,
				 mm_vma_can_be_lazy(&mm.vmas[i]));
	mm_img_release(&mm);
}

/* --- pieces --- */

/* Bytes at most; 0 for a file that is not read here. */
static size_t largest(uint32_t type)
{
	switch (type) {
	case IMAGE_PSTREE:
		return PSTREE_IMG_MAX;
	case IMAGE_CORE:
		return CORE_IMG_MAX;
	case IMAGE_MM:
		return MM_IMG_MAX;
	default:
		return 0;
	}
}

/* What no piece covers reads as zeros. */
static void collect(struct images *images, const struct image_piece *piece,
		    uint32_t size)
{
	struct buf *file = &images->file;
	size_t hole = piece->offset - file->size;

	if (buf_reserve(file, hole + size) < 0)
		die(EXIT_SYSTEM, "no memory");
	memset(file->data + file->size, 0, hole);
	file->size += hole;
	memcpy(file->data + file->size, images->data, size);
	file->size += size;
}

static void take_file(struct images *images, const struct image_piece *piece,
		      struct tasks *tasks)
{
	if (piece->type == IMAGE_PSTREE)
		take_tree(images, piece);
	else if (piece->type == IMAGE_CORE)
		take_core(images, piece);
	else
		take_mm(images, piece, tasks);
	images->file.size = 0;
}

void images_take(struct images *images, struct stage *stage,
		 struct tasks *tasks)
{
	const struct image_piece *piece = &stage->in.image;
	uint32_t size = stage->in.frames.body_left;

	if (!images->data)
		images->data = malloc(FRAME_BODY_MAX);
	if (!images->data)
		die(EXIT_SYSTEM, "no memory");
	stage_body(stage, images->data, size);
	if (largest(piece->type)) {
		errno = EBADMSG;
		if (piece->size > largest(piece->type))
			refuse(piece, "it is larger than any");
		collect(images, piece, size);
		if (stage->in.image_end == piece->size)
			take_file(images, piece, tasks);
	}
	stage_image(stage, piece, images->data, size);
}
