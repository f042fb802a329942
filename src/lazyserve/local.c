// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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

/* How many, or -1 with errno.  They are not read here, but by UFFDIO_COPY. */
static int64_t find_pages(const struct chain_piece *piece, const char **data)
{
	struct pages_file *file = &piece->level->pages;
	const char *map = pages_file_map(file);
	bool hole;
	int64_t nr;

	if (!map)
		return -1;
	nr = pages_file_look(file, piece->offset, piece->nr_pages, &hole);
	*data = hole ? NULL : map + piece->offset;
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
	nr = find_pages(&piece, &arrival->data);
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

void local_begin(struct local *local)
{
	*local = (struct local){
		.source = {ask, take, send, has_room, events, -1, -1,
			   LOCAL_MOST, LOCAL_MOST, ""},
	};
}
