// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/pstree_img.h"

#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (256u << 20) /* bytes, for a message as it is unpacked */

static int bad(struct pstree_img *img, const char *why)
{
	img->why = why;
	errno = EBADMSG;
	return -1;
}

static bool is_id(uint32_t id)
{
	return id && id <= INT32_MAX;
}

/* Room for one more: doubled at every power of two. */
static struct pstree_task *grow(struct pstree_img *img)
{
	struct pstree_task *grown = img->tasks;

	if (!(img->nr & (img->nr - 1)))
		grown = reallocarray(img->tasks, img->nr ? 2 * img->nr : 1,
				     sizeof(*img->tasks));
	if (!grown)
		return NULL;
	img->tasks = grown;
	img->tasks[img->nr] = (struct pstree_task){0};
	return &img->tasks[img->nr++];
}

static int add_task(struct pstree_img *img, const Criu__Pstree *message)
{
	struct pstree_task *task;

	if (!is_id(message->pid))
		return bad(img, "a number that no process can have");
	for (size_t i = 0; i < message->n_threads; i++)
		if (!is_id(message->threads[i]))
			return bad(img, "a number that no thread can have");
	task = grow(img);
	if (!task)
		return -1;
	task->pid = message->pid;
	task->tids = calloc(message->n_threads + 1, sizeof(*task->tids));
	// NOLINTNEXTLINE(analyzer-malloc-leak): img has its tasks
	if (!task->tids)
		return -1;
	task->nr_tids = message->n_threads;
	if (task->nr_tids)
		memcpy(task->tids, message->threads,
		       task->nr_tids * sizeof(*task->tids));
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct pstree_task *left = a;
	const struct pstree_task *right = b;

	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

static int sort(struct pstree_img *img)
{
	if (img->nr)
		qsort(img->tasks, img->nr, sizeof(*img->tasks), compare);
	for (size_t i = 1; i < img->nr; i++)
		if (img->tasks[i].pid == img->tasks[i - 1].pid)
			return bad(img, "a process that is there twice");
	return 0;
}

static int parse(struct pstree_img *img, const char *at, const char *end)
{
	ProtobufCMessage *message;
	int result;

	if (img_take_magic(&at, end, IMG_COMMON, IMG_PSTREE) < 0)
		return bad(img, "it does not begin as such a file");
	while ((result = img_take_within(&at, end, MEMORY_MAX,
					 &criu__pstree__descriptor, &message)) >
	       0) {
		result = add_task(img, (const Criu__Pstree *)message);
		protobuf_c_message_free_unpacked(message, NULL);
		if (result < 0)
			return -1;
	}
	if (result < 0)
		return bad(img, "it is cut short, damaged or larger than any");
	return sort(img);
}

int pstree_img_parse(struct pstree_img *img, const void *data, size_t size)
{
	const char *why;

	*img = (struct pstree_img){0};
	if (parse(img, data, (const char *)data + size) == 0)
		return 0;
	why = img->why;
	pstree_img_release(img);
	img->why = why;
	return -1;
}

int pstree_img_read(struct pstree_img *img, int dir)
{
	struct buf file = {0};
	int result;

	*img = (struct pstree_img){.why = "it is no file, or larger than any"};
	result = img_read_small(dir, "pstree.img", PSTREE_IMG_MAX, &file);
	if (result == 0)
		result = pstree_img_parse(img, file.data, file.size);
	buf_release(&file);
	return result;
}

void pstree_img_release(struct pstree_img *img)
{
	int error = errno;

	for (size_t i = 0; i < img->nr; i++)
		free(img->tasks[i].tids);
	free(img->tasks);
	*img = (struct pstree_img){0};
	errno = error;
}

const struct pstree_task *pstree_img_find(const struct pstree_img *img,
					  uint32_t pid)
{
	struct pstree_task wanted = {.pid = pid};

	return img->nr ? bsearch(&wanted, img->tasks, img->nr, sizeof(wanted),
				 compare)
		       : NULL;
}
