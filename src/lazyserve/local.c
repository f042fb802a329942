// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ask(struct source *source, const struct wish *wish)
{
	struct local *local = (struct local *)source;

	local->wish = *wish;
	local->waits = true;
	return 0;
}

static enum source_outcome failed(struct local *local,
				  const struct chain_piece *piece)
{
	const char *why =
		errno == EBADMSG ? "it has become shorter" : strerror(errno);

	snprintf(local->source.text, sizeof(local->source.text),
		 "cannot read %s/pages-%" PRIu32 ".img at byte %" PRIu64 ": %s",
		 piece->level->path, piece->level->list.pages_id, piece->offset,
		 why);
	return SOURCE_FAILED;
}

/* How many, or -1 with errno. */
static int64_t read_pages(struct local *local, const struct chain_piece *piece,
			  const char **data)
{
	struct pages_file *file = &piece->level->pages;
	bool hole;
	int64_t nr =
		pages_file_look(file, piece->offset, piece->nr_pages, &hole);

	*data = hole ? NULL : local->room;
	if (nr > 0 && !hole &&
	    pages_file_read(file, piece->offset, (uint64_t)nr, local->room) < 0)
		return -1;
	return nr;
}

static enum source_outcome take(struct source *source, struct arrival *arrival)
{
	struct local *local = (struct local *)source;
	struct wish *wish = &local->wish;
	struct chain_piece piece;
	int64_t nr;

	if (!local->waits)
		return SOURCE_WAITS;
	local->waits = false;
	if (wish->nr_pages > LOCAL_MOST)
		wish->nr_pages = LOCAL_MOST;
	errno = EBADMSG;
	if (images_place(wish->images, wish->image, wish->nr_pages, &piece) !=
	    IMAGE_HERE)
		return failed(local, &piece);
	*arrival = (struct arrival){.wish = *wish};
	nr = read_pages(local, &piece, &arrival->data);
	if (nr < 0)
		return failed(local, &piece);
	arrival->nr_pages = (uint64_t)nr;
	return SOURCE_ARRIVAL;
}

static int send(struct source *source)
{
	(void)source;
	return 0;
}

static bool has_room(const struct source *source, bool urgent)
{
	(void)urgent;
	return !((const struct local *)source)->waits;
}

static short events(const struct source *source)
{
	(void)source;
	return 0;
}

int local_begin(struct local *local, uint32_t page_size)
{
	*local = (struct local){
		.source = {ask, take, send, has_room, events, -1, -1,
			   LOCAL_MOST, LOCAL_MOST, ""},
	};
	local->room = aligned_alloc(page_size, (size_t)LOCAL_MOST * page_size);
	return local->room ? 0 : -1;
}

void local_end(struct local *local)
{
	free(local->room);
	local->room = NULL;
}
