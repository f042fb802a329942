// SPDX-License-Identifier: GPL-3.0-or-later
/* A bit a page, in words of 64; ranges are [from, to), in bits. */
#ifndef LAZYSERVE_BITS_H
#define LAZYSERVE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t bits_words(uint64_t nr)
{
	return (size_t)((nr + 63) / 64);
}

static inline bool bits_get(const uint64_t *bits, uint64_t at)
{
	return bits[at / 64] >> (at % 64) & 1;
}

/* The bits of word i that lie in the range. */
static inline uint64_t bits_mask(uint64_t i, uint64_t from, uint64_t to)
{
	uint64_t mask = UINT64_MAX;

	if (i == from / 64)
		mask &= UINT64_MAX << (from % 64);
	if (i == to / 64)
		mask &= ~(UINT64_MAX << (to % 64));
	return mask;
}

static inline void bits_set(uint64_t *bits, uint64_t from, uint64_t to)
{
	for (uint64_t i = from / 64; i * 64 < to; i++)
		bits[i] |= bits_mask(i, from, to);
}

/* How many of them were set. */
static inline uint64_t bits_clear(uint64_t *bits, uint64_t from, uint64_t to)
{
	uint64_t nr = 0;

	for (uint64_t i = from / 64; i * 64 < to; i++) {
		uint64_t mask = bits_mask(i, from, to);

		nr += (uint64_t)__builtin_popcountll(bits[i] & mask);
		bits[i] &= ~mask;
	}
	return nr;
}

/* The first one that is set, and in `without` is not, or is not so; or to. */
static inline uint64_t bits_find(const uint64_t *bits, const uint64_t *without,
				 bool so, uint64_t from, uint64_t to)
{
	for (uint64_t i = from / 64; i * 64 < to; i++) {
		uint64_t word = bits[i] & ~without[i];

		word = (so ? word : ~word) & bits_mask(i, from, to);
		if (word)
			return i * 64 + (uint64_t)__builtin_ctzll(word);
	}
	return to;
}

#endif
