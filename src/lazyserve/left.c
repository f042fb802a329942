// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/left.h"

#include "lazyserve/bits.h"

#include <stdlib.h>
#include <string.h>

static vaddr_t end_of(const struct left *left, const struct left_segment *s)
{
	return s->vaddr + s->nr_pages * left->page_size;
}

static int reserve(struct left *left, size_t more)
{
	struct left_segment *grown;
	size_t room = left->room ? left->room : 16;

	while (room < left->nr + more)
		room *= 2;
	if (room == left->room)
		return 0;
	grown = reallocarray(left->segments, room, sizeof(*grown));
	if (!grown)
		return -1;
	left->segments = grown;
	left->room = room;
	return 0;
}

int left_add(struct left *left, vaddr_t vaddr, uint64_t nr_pages)
{
	struct left_segment *last =
		left->nr ? &left->segments[left->nr - 1] : NULL;

	if (last && end_of(left, last) == vaddr) {
		last->nr_pages += nr_pages;
	} else {
		if (reserve(left, 1) < 0)
			return -1;
		left->segments[left->nr++] = (struct left_segment){
			vaddr, vaddr, nr_pages, left->nr_bits};
	}
	left->nr_bits += nr_pages;
	return 0;
}

static int make_bits(struct left *left)
{
	size_t words = bits_words(left->nr_bits) + 1;

	left->missing = calloc(words, sizeof(*left->missing));
	left->asked = calloc(words, sizeof(*left->asked));
	return left->missing && left->asked ? 0 : -1;
}

int left_begin(struct left *left)
{
	if (make_bits(left) < 0)
		return -1;
	bits_set(left->missing, 0, left->nr_bits);
	left->nr_missing = left->nr_bits;
	return 0;
}

int left_copy(struct left *child, const struct left *parent)
{
	*child = (struct left){
		.page_size = parent->page_size,
		.nr_bits = parent->nr_bits,
		.nr_missing = parent->nr_missing,
	};
	if (reserve(child, parent->nr) < 0 || make_bits(child) < 0)
		return -1;
	if (parent->nr)
		memcpy(child->segments, parent->segments,
		       parent->nr * sizeof(*child->segments));
	child->nr = parent->nr;
	memcpy(child->missing, parent->missing,
	       bits_words(parent->nr_bits) * sizeof(*child->missing));
	return 0;
}

void left_release(struct left *left)
{
	free(left->segments);
	free(left->missing);
	free(left->asked);
	*left = (struct left){.page_size = left->page_size};
}

/* The first segment that ends behind vaddr. */
static size_t find(const struct left *left, vaddr_t vaddr)
{
	size_t low = 0;
	size_t high = left->nr;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (end_of(left, &left->segments[middle]) <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct left_segment *segment_at(const struct left *left,
					     vaddr_t vaddr)
{
	size_t i = find(left, vaddr);

	return i < left->nr && left->segments[i].vaddr <= vaddr
		       ? &left->segments[i]
		       : NULL;
}

static uint64_t bit_of(const struct left *left, const struct left_segment *s,
		       vaddr_t vaddr)
{
	return s->index + (vaddr - s->vaddr) / left->page_size;
}

static struct left_piece piece_of(const struct left *left,
				  const struct left_segment *s, uint64_t from,
				  uint64_t to)
{
	uint64_t at = (from - s->index) * left->page_size;

	return (struct left_piece){s->vaddr + at, s->image + at, to - from};
}

bool left_has(const struct left *left, vaddr_t vaddr, struct left_piece *piece)
{
	const struct left_segment *s = segment_at(left, vaddr);
	uint64_t bit;

	if (!s)
		return false;
	bit = bit_of(left, s, vaddr);
	*piece = piece_of(left, s, bit, bit + 1);
	return bits_get(left->missing, bit);
}

bool left_is_asked(const struct left *left, vaddr_t vaddr)
{
	const struct left_segment *s = segment_at(left, vaddr);

	return s && bits_get(left->asked, bit_of(left, s, vaddr));
}

bool left_next(const struct left *left, vaddr_t vaddr, uint64_t most,
	       struct left_piece *piece)
{
	for (size_t i = find(left, vaddr); i < left->nr; i++) {
		const struct left_segment *s = &left->segments[i];
		uint64_t end = s->index + s->nr_pages;
		uint64_t from =
			vaddr > s->vaddr ? bit_of(left, s, vaddr) : s->index;
		uint64_t to;

		from = bits_find(left->missing, left->asked, true, from, end);
		if (from == end)
			continue;
		to = most < end - from ? from + most : end;
		to = bits_find(left->missing, left->asked, false, from, to);
		*piece = piece_of(left, s, from, to);
		return true;
	}
	return false;
}

static const struct left_segment *segment_of_image(const struct left *left,
						   vaddr_t image, vaddr_t near)
{
	const struct left_segment *s = segment_at(left, near);

	if (s && image - s->image == near - s->vaddr)
		return s;
	for (size_t i = 0; i < left->nr; i++) {
		s = &left->segments[i];
		if (image >= s->image &&
		    image - s->image < s->nr_pages * left->page_size)
			return s;
	}
	return NULL;
}

bool left_place(const struct left *left, vaddr_t image, uint64_t nr_pages,
		vaddr_t near, struct left_piece *piece)
{
	const struct left_segment *s = segment_of_image(left, image, near);
	uint64_t from, to;
	bool missing;

	*piece = (struct left_piece){.image = image, .nr_pages = 1};
	if (!s)
		return false;
	from = s->index + (image - s->image) / left->page_size;
	to = s->index + s->nr_pages;
	if (nr_pages < to - from)
		to = from + nr_pages;
	missing = bits_get(left->missing, from);
	for (uint64_t i = from; i < to; i++)
		if (bits_get(left->missing, i) != missing)
			to = i;
	*piece = piece_of(left, s, from, to);
	return missing;
}

void left_ask(struct left *left, const struct left_piece *piece)
{
	const struct left_segment *s = segment_at(left, piece->vaddr);
	uint64_t bit = bit_of(left, s, piece->vaddr);

	bits_set(left->asked, bit, bit + piece->nr_pages);
}

void left_unask(struct left *left, const struct left_piece *piece)
{
	const struct left_segment *s = segment_at(left, piece->vaddr);
	uint64_t bit;

	if (!s)
		return; /* unmapped meanwhile */
	bit = bit_of(left, s, piece->vaddr);
	bits_clear(left->asked, bit, bit + piece->nr_pages);
}

static void clear(struct left *left, uint64_t from, uint64_t to)
{
	left->nr_missing -= bits_clear(left->missing, from, to);
	bits_clear(left->asked, from, to);
}

void left_give(struct left *left, const struct left_piece *piece)
{
	const struct left_segment *s = segment_at(left, piece->vaddr);
	uint64_t bit = bit_of(left, s, piece->vaddr);

	clear(left, bit, bit + piece->nr_pages);
}

void left_empty(struct left *left, vaddr_t from, uint64_t size)
{
	vaddr_t to = from + size;

	for (size_t i = find(left, from); i < left->nr; i++) {
		const struct left_segment *s = &left->segments[i];
		vaddr_t begin = from > s->vaddr ? from : s->vaddr;
		vaddr_t end = end_of(left, s);

		if (s->vaddr >= to)
			return;
		if (to < end)
			end = to;
		clear(left, bit_of(left, s, begin), bit_of(left, s, end));
	}
}

/* Makes vaddr the border of two segments, where it is within one. */
static int split(struct left *left, vaddr_t vaddr)
{
	size_t i = find(left, vaddr);
	struct left_segment *s;
	uint64_t before;

	if (i == left->nr || left->segments[i].vaddr >= vaddr)
		return 0;
	if (reserve(left, 1) < 0)
		return -1;
	s = &left->segments[i];
	before = (vaddr - s->vaddr) / left->page_size;
	memmove(s + 1, s, (left->nr - i) * sizeof(*s));
	left->nr++;
	s[0].nr_pages = before;
	s[1].nr_pages -= before;
	s[1].index += before;
	s[1].image += before * left->page_size;
	s[1].vaddr = vaddr;
	return 0;
}

int left_cut(struct left *left, vaddr_t from, uint64_t size)
{
	size_t first, last;

	left_empty(left, from, size);
	if (split(left, from) < 0 || split(left, from + size) < 0)
		return -1;
	first = find(left, from);
	last = find(left, from + size);
	memmove(&left->segments[first], &left->segments[last],
		(left->nr - last) * sizeof(*left->segments));
	left->nr -= last - first;
	return 0;
}

static int by_vaddr(const void *a, const void *b)
{
	const struct left_segment *x = a, *y = b;

	return (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
}

/* What was at the new place is gone already: the kernel has said so before. */
int left_move(struct left *left, vaddr_t from, vaddr_t to, uint64_t size)
{
	if (from == to)
		return 0;
	if (left_cut(left, to, size) < 0 || split(left, from) < 0 ||
	    split(left, from + size) < 0)
		return -1;
	for (size_t i = find(left, from);
	     i < left->nr && left->segments[i].vaddr < from + size; i++)
		left->segments[i].vaddr += to - from;
	if (left->nr)
		qsort(left->segments, left->nr, sizeof(*left->segments),
		      by_vaddr);
	return 0;
}
