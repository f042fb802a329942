// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/image.h"

#include "stream/wire.h"

uint32_t image_encode(uint8_t *table, uint64_t digest,
		      const struct image_piece *piece)
{
	uint8_t *at = table;

	put_u64(&at, digest);
	put_u32(&at, piece->type);
	put_u32(&at, 0);
	put_u64(&at, piece->id);
	put_u64(&at, piece->offset);
	put_u64(&at, piece->size);
	return (uint32_t)(at - table);
}

/* Sizes are those of files, so that no sum of two wraps around. */
static bool body_fits(const struct frame *frame,
		      const struct image_piece *piece)
{
	return piece->size <= INT64_MAX && piece->offset <= piece->size &&
	       frame->body_size <= piece->size - piece->offset &&
	       (frame->body_size || piece->offset == piece->size);
}

int image_decode(const struct frame *frame, struct image_piece *piece)
{
	const uint8_t *at = frame->table + sizeof(uint64_t);
	uint32_t zero;

	if (frame->table_size != IMAGE_TABLE_SIZE)
		return -1;
	piece->type = get_u32(&at);
	zero = get_u32(&at);
	piece->id = get_u64(&at);
	piece->offset = get_u64(&at);
	piece->size = get_u64(&at);
	return !zero && body_fits(frame, piece) ? 0 : -1;
}

int image_compare(const struct image_piece *a, const struct image_piece *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}
