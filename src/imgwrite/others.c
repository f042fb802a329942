// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgwrite/others.h"

#include "base/io.h"
#include "image/img.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE         (256u << 10) /* bytes: stays in the CPU's cache */
#define INVENTORY_MAX (1u << 20)   /* bytes: CRIU's have some hundred */

static void wrote(const struct others *others, int result)
{
	if (result < 0)
		die_errno(EXIT_SYSTEM, "cannot write %s", others->name);
}

static void note_pages(struct others *others, uint32_t pages_id)
{
	others->pages = reallocarray(others->pages, others->nr_pages + 1,
				     sizeof(*others->pages));
	if (!others->pages)
		die(EXIT_SYSTEM, "no memory");
	others->pages[others->nr_pages++] = pages_id;
}

static void begin(struct others *others, const struct image_piece *piece)
{
	others->type = image_type_numbered(piece->type);
	if (!others->type)
		die(EXIT_INPUT,
		    "an image file of type %" PRIu32 ", which is not known",
		    piece->type);
	if (image_type_name(others->type, piece->id, others->name) < 0)
		die(EXIT_INPUT,
		    "an image file %s with the number %" PRIu64
		    ", which it cannot have",
		    others->type->name, piece->id);
	others->nr++;
	others->fd = -1;
	if (others->type->number == IMAGE_INVENTORY)
		return;
	if (others->type->number == IMAGE_PAGES)
		note_pages(others, (uint32_t)piece->id);
	others->fd = img_create(others->dir, others->name);
	wrote(others, others->fd);
}

/* What CRIU would take for another kind of file. */
static void check_beginning(const struct others *others,
			    const struct image_piece *piece, const void *data,
			    uint32_t size)
{
	if (piece->offset || !image_type_begins(others->type, data, size))
		die(EXIT_INPUT, "%s: it does not begin as such a file",
		    others->name);
}

static void keep(struct others *others, const struct image_piece *piece,
		 const void *data, uint32_t size)
{
	if (piece->size > INVENTORY_MAX)
		die(EXIT_INPUT, "%s: is larger than any", others->name);
	if (piece->offset > others->inventory.size)
		die(EXIT_INPUT, "%s: has a hole", others->name);
	if (buf_append(&others->inventory, data, size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

static void copy_body(struct others *others, struct stage *stage,
		      const struct image_piece *piece, bool first)
{
	static char data[PIECE];
	uint32_t left = stage->in.frames.body_left;

	do {
		uint32_t size = left < PIECE ? left : PIECE;

		stage_body(stage, data, size);
		if (first && others->type->magic)
			check_beginning(others, piece, data, size);
		if (others->fd < 0)
			keep(others, piece, data, size);
		else
			wrote(others, io_write(others->fd, data, size));
		left -= size;
		first = false;
	} while (left);
}

static void finish(struct others *others, const struct image_piece *piece)
{
	if (others->fd >= 0) {
		wrote(others, ftruncate(others->fd, (off_t)piece->size));
		wrote(others, fsync(others->fd));
		wrote(others, close(others->fd));
	}
	others->type = NULL;
}

void others_write(struct others *others, struct stage *stage)
{
	const struct image_piece *piece = &stage->in.image;
	bool first = !others->type;

	if (first)
		begin(others, piece);
	if (others->fd >= 0 &&
	    lseek(others->fd, (off_t)piece->offset, SEEK_SET) < 0)
		wrote(others, -1);
	copy_body(others, stage, piece, first);
	if (stage->in.image_end == piece->size)
		finish(others, piece);
}

uint32_t others_next_pages(const struct others *others, uint32_t last)
{
	uint32_t next = last + 1;

	for (size_t i = 0; i < others->nr_pages; i++)
		if (others->pages[i] == next)
			next++;
	return next;
}
