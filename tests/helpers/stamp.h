// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A stamped page tells by itself whether it is right. It is page_size / 8
 * words of 64 bits in the machine's byte order:
 *
 *   word 0          STAMP_MAGIC
 *   word 1          the vaddr it was written for
 *   word 2 .. n-2   low half: seq, the sequence number, from 1 on;
 *                   high half: of a hash of seq and this word's own address
 *   word n-1        low half: seq; high half: of a checksum of words 0 .. n-2
 *
 * So every word from 2 on proves itself and tells its seq. A page that was
 * copied while it was rewritten (TORN: all words right, but of more than one
 * seq) is not confused with a damaged one. stamp_* neither fail, allocate nor
 * print; page need not be aligned; page_size is in bytes, a multiple of 8.
 */
#ifndef STAMP_H
#define STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STAMP_MAGIC UINT64_C(0x504d415453474150) /* "PAGSTAMP" on x86 */

enum stamp_verdict {
	STAMP_GOOD,      /* whole, and at its own vaddr */
	STAMP_TORN,      /* at its own vaddr, cut between rewrites */
	STAMP_MISPLACED, /* a stamped page, but of another vaddr */
	STAMP_ZERO,      /* only zero bytes */
	STAMP_WRONG,     /* anything else, also half a page of zeros */
};

static inline const char *stamp_verdict_name(enum stamp_verdict verdict)
{
	static const char *const names[] = {"good", "torn", "misplaced", "zero",
					    "wrong"};

	return names[verdict];
}

static inline uint64_t stamp_get(const void *page, size_t i)
{
	uint64_t word;

	memcpy(&word, (const char *)page + i * sizeof(word), sizeof(word));
	return word;
}

static inline uint64_t stamp_vaddr(const void *page)
{
	return stamp_get(page, 1);
}

static inline uint32_t stamp_seq(const void *page)
{
	return (uint32_t)stamp_get(page, 2);
}

/* The finalizer of splitmix64: every input bit reaches every output bit. */
static inline uint64_t stamp_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline uint64_t stamp_join(uint64_t hash, uint32_t seq)
{
	return (hash & ~(uint64_t)UINT32_MAX) | seq;
}

/* Word i of all but the last. */
static inline uint64_t stamp_word(uint64_t vaddr, uint32_t seq, size_t i)
{
	uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

	if (i == 0)
		return STAMP_MAGIC;
	if (i == 1)
		return vaddr;
	return stamp_join(stamp_mix(vaddr + i * sizeof(step) + seq * step),
			  seq);
}

static inline uint64_t stamp_sum(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x100000001b3) + 1;
}

static inline uint64_t stamp_checksum(uint64_t vaddr, uint32_t seq, size_t last)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < last; i++)
		sum = stamp_sum(sum, stamp_word(vaddr, seq, i));
	return stamp_join(sum, seq);
}

static inline void stamp_write(void *page, size_t page_size, uint64_t vaddr,
			       uint32_t seq)
{
	size_t last = page_size / sizeof(uint64_t) - 1;
	uint64_t word, sum = 0;

	for (size_t i = 0; i < last; i++) {
		word = stamp_word(vaddr, seq, i);
		memcpy((char *)page + i * sizeof(word), &word, sizeof(word));
		sum = stamp_sum(sum, word);
	}
	word = stamp_join(sum, seq);
	// NOLINTNEXTLINE(analyzer-use-of-uninitialized-value): set above
	memcpy((char *)page + last * sizeof(word), &word, sizeof(word));
}

static inline bool stamp_is_zero(const void *page, size_t page_size)
{
	for (size_t i = 0; i < page_size / sizeof(uint64_t); i++)
		if (stamp_get(page, i))
			return false;
	return true;
}

static inline enum stamp_verdict stamp_check(const void *page, size_t page_size,
					     uint64_t vaddr)
{
	size_t last = page_size / sizeof(uint64_t) - 1;
	uint64_t word = stamp_get(page, last), own = stamp_vaddr(page);
	uint32_t seq = stamp_seq(page);
	bool torn = (uint32_t)word != seq;

	if (stamp_is_zero(page, page_size))
		return STAMP_ZERO;
	if (stamp_get(page, 0) != STAMP_MAGIC ||
	    word != stamp_checksum(own, (uint32_t)word, last))
		return STAMP_WRONG;
	for (size_t i = 2; i < last; i++) {
		word = stamp_get(page, i);
		if (word != stamp_word(own, (uint32_t)word, i))
			return STAMP_WRONG;
		torn |= (uint32_t)word != seq;
	}
	if (own != vaddr)
		return STAMP_MISPLACED;
	return torn ? STAMP_TORN : STAMP_GOOD;
}

#endif
