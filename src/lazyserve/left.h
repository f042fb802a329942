// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which pages of a restored memory are still missing, where they are now, and
 * which address of the images each of them is.
 *
 *            vaddr                     segments ascend by vaddr and never
 *              |                       overlap; only mremap, munmap and fork
 *   run time   [====segment====]       change them
 *               \               \
 *   images       [=image=========]     where it was when it was copied
 *   bits         0011010111100110      missing: 1; from segment.index on
 *
 * A page that was asked for and has not arrived has a second bit.  Sizes are
 * in bytes where they are called size, and in pages where nr_pages.  -1 with
 * ENOMEM.
 */
#ifndef LAZYSERVE_LEFT_H
#define LAZYSERVE_LEFT_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct left_segment {
	vaddr_t vaddr;
	vaddr_t image;
	uint64_t nr_pages;
	uint64_t index; /* of its first page's bit */
};

struct left {
	uint32_t page_size;
	struct left_segment *segments;
	size_t nr, room;
	uint64_t *missing;
	uint64_t *asked;
	uint64_t nr_bits;
	uint64_t nr_missing;
};

struct left_piece {
	vaddr_t vaddr;
	vaddr_t image;
	uint64_t nr_pages;
};

/* First all segments, ascending; then left_begin(), once: all are missing. */
int left_add(struct left *left, vaddr_t vaddr, uint64_t nr_pages);
int left_begin(struct left *left);
int left_copy(struct left *child, const struct left *parent);
void left_release(struct left *left);

/* Is the page at vaddr missing?  Then *piece is that page. */
bool left_has(const struct left *left, vaddr_t vaddr, struct left_piece *piece);
bool left_is_asked(const struct left *left, vaddr_t vaddr);

/*
 * The first pages in a row at or behind vaddr that are missing and not asked
 * for, most at most; false: there are none up to the end.
 */
bool left_next(const struct left *left, vaddr_t vaddr, uint64_t most,
	       struct left_piece *piece);

/*
 * Where the first of those pages of the images is now, and how many of them
 * are in a row there and missing; false: it is not missing any more, and
 * piece->nr_pages is how many are not.  near is where it was.
 */
bool left_place(const struct left *left, vaddr_t image, uint64_t nr_pages,
		vaddr_t near, struct left_piece *piece);

/* These are within one segment. */
void left_ask(struct left *left, const struct left_piece *piece);
void left_unask(struct left *left, const struct left_piece *piece);
void left_give(struct left *left, const struct left_piece *piece);

/* What has happened to the memory: emptied, unmapped, moved. */
void left_empty(struct left *left, vaddr_t from, uint64_t size);
int left_cut(struct left *left, vaddr_t from, uint64_t size);
int left_move(struct left *left, vaddr_t from, vaddr_t to, uint64_t size);

#endif
