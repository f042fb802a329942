// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgread/others.h"

#include "base/io.h"
#include "base/own.h"
#include "image/img.h"
#include "imgread/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256u << 10) /* bytes */

struct source {
	const struct other *other;
	char name[IMAGE_NAME_SIZE];
	int fd;
	uint64_t size;
};

static void open_source(struct source *source, const struct others *others,
			const struct other *other)
{
	struct stat stat;

	source->other = other;
	image_type_name(other->type, other->id, source->name);
	source->fd = img_open(others->chain->levels[0].dir, source->name);
	if (source->fd < 0 && errno == EBADMSG)
		die(EXIT_INPUT, "%s/%s: is no file", others->contents->path,
		    source->name);
	if (source->fd < 0 || fstat(source->fd, &stat) < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s/%s",
			  others->contents->path, source->name);
	source->size = (uint64_t)stat.st_size;
}

/* --- check --- */

static void check_beginning(const struct others *others,
			    const struct other *other)
{
	struct source source;
	char begin[8];
	ssize_t size;

	open_source(&source, others, other);
	size = io_read(source.fd, begin, sizeof(begin));
	if (size < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s/%s",
			  others->contents->path, source.name);
	if (!image_type_begins(other->type, begin, (size_t)size))
		die(EXIT_INPUT,
		    "%s/%s: byte 0: it does not begin as such a file",
		    others->contents->path, source.name);
	close(source.fd);
}

static void check_shared_memory(struct others *others,
				const struct other *other)
{
	struct chain *chain = others->chain;
	const struct pagemap_list *list = &chain->levels[0].list;
	char name[IMAGE_NAME_SIZE];

	image_type_name(other->type, other->id, name);
	if (chain_load(chain, name, others->page_size) < 0 ||
	    chain_check(chain) < 0)
		memory_die(chain);
	if (others->flatten && list->nr_parent)
		die(EXIT_INPUT,
		    "%s/%s: has pages in a parent, which --flatten does not "
		    "resolve in shared memory",
		    others->contents->path, name);
	contents_claim_pages(others->contents, list->pages_id,
			     OWNER_SHARED_MEMORY, name);
}

/*
 * imgwrite leaves none behind, so in a directory of ours a pagemap is missing,
 * perhaps that of a process that pagepipe.head lets us take for ended.  CRIU
 * does not mind.
 */
static void check_orphan(const struct contents *contents,
			 const struct other *other)
{
	if (other->owner)
		return;
	if (contents->has_head)
		die(EXIT_INPUT,
		    "%s/pages-%" PRIu64 ".img: no pagemap names it (is one "
		    "missing?)",
		    contents->path, other->id);
	detail("%s/pages-%" PRIu64 ".img: no pagemap names it, left out",
	       contents->path, other->id);
}

void others_check(struct others *others)
{
	const struct contents *contents = others->contents;

	for (size_t i = 0; i < contents->nr_others; i++) {
		const struct other *other = &contents->others[i];

		if (other->type->number == IMAGE_SHMEM_PAGEMAP)
			check_shared_memory(others, other);
		else if (other->type->magic)
			check_beginning(others, other);
	}
	for (size_t i = 0; i < contents->nr_others; i++)
		if (contents->others[i].type->number == IMAGE_PAGES)
			check_orphan(contents, &contents->others[i]);
}

/* --- send --- */

/* Bytes of data at *offset, which moves on behind a hole; 0 at the end. */
static uint64_t find_data(const struct source *source, uint64_t *offset)
{
	off_t from = lseek(source->fd, (off_t)*offset, SEEK_DATA);
	off_t to = from < 0 ? from : lseek(source->fd, from, SEEK_HOLE);

	if (from < 0 && errno == ENXIO)
		from = to = (off_t)source->size;
	if (to < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s", source->name);
	*offset = (uint64_t)from;
	if (*offset > source->size)
		*offset = source->size;
	return ((uint64_t)to < source->size ? (uint64_t)to : source->size) -
	       *offset;
}

static void send_piece(const struct source *source, struct stage *stage,
		       uint64_t offset, uint32_t size)
{
	static char data[PIECE];
	struct image_piece piece = {
		.type = source->other->type->number,
		.id = source->other->id,
		.offset = offset,
		.size = source->size,
	};

	if (pread(source->fd, data, size, (off_t)offset) != (ssize_t)size)
		die(EXIT_SYSTEM, "cannot read %s: it changes meanwhile",
		    source->name);
	stage_image(stage, &piece, data, size);
}

static void send_file(const struct source *source, struct stage *stage)
{
	uint64_t offset = 0;
	uint64_t sent = 0; /* the end of the last piece */
	bool begun = false;

	while (offset < source->size) {
		uint64_t left = find_data(source, &offset);

		while (left) {
			uint32_t size = left < PIECE ? (uint32_t)left : PIECE;

			send_piece(source, stage, offset, size);
			begun = true;
			left -= size;
			offset += size;
			sent = offset;
		}
	}
	if (!begun || sent < source->size)
		send_piece(source, stage, source->size, 0);
}

/* What the pagemaps of tasks name goes as runs. */
static bool is_left_out(const struct other *other)
{
	return other->type->number == IMAGE_PAGES &&
	       other->owner != OWNER_SHARED_MEMORY;
}

void others_send(struct others *others, struct stage *stage)
{
	const struct contents *contents = others->contents;

	for (size_t i = 0; i < contents->nr_others; i++) {
		const struct other *other = &contents->others[i];
		struct source source;

		if (is_left_out(other))
			continue;
		open_source(&source, others, other);
		send_file(&source, stage);
		close(source.fd);
	}
}
