// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tables of IMAGE frames: a piece of another file of an image directory.
 *
 *   digest   8  XXH3-64 of the body; 0 without FRAME_DIGEST
 *   type     4  what the file is: a number of a closed table, never a name
 *   zero     4
 *   id       8  which of that type
 *   offset   8  where in the file the body stands
 *   size     8  bytes of the whole file
 *
 * The pieces of a file come in a row and ascend.  What no piece covers is a
 * hole, which reads as zeros; the last piece, which may be empty, ends where
 * the file ends.
 */
#ifndef STREAM_IMAGE_H
#define STREAM_IMAGE_H

#include "stream/frame.h"

#define IMAGE_TABLE_SIZE 40 /* bytes */

struct image_piece {
	uint32_t type;
	uint64_t id;
	uint64_t offset; /* bytes, here and below */
	uint64_t size;
};

/* Bytes written to table. */
uint32_t image_encode(uint8_t *table, uint64_t digest,
		      const struct image_piece *piece);

/* -1 when the table is not valid, or the body does not fit into the file. */
int image_decode(const struct frame *frame, struct image_piece *piece);

/* By type, then by id: the order of files in a stream.  As strcmp(3). */
int image_compare(const struct image_piece *a, const struct image_piece *b);

#endif
