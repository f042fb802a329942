// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A run: whole pages of the target in a row that share one fate.
 *
 *        vaddr                          vaddr + nr_pages * page_size
 *          |                                        |
 *          v                                        v
 *   -------+====+====+====+====+0000+0000+~~~~+~~~~+-------
 *    hole  | PRESENT: the bytes | ZERO:   | SKIP:   | hole
 *          | follow, or should  | reads   | asked   |
 *          | be read            | as zeros| in vain |
 *
 * Runs of one task ascend and never overlap.  A hole is no run at all: what
 * no run names is not there.  (CRIU calls "hole" what is here a PARENT run.)
 * In a listing (RUNS frames) a PRESENT run asks for its bytes; behind memread
 * (PAGES frames) each of its pages is found again exactly once, as PRESENT,
 * ZERO or SKIP.
 */
#ifndef VM_RUN_H
#define VM_RUN_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>

/* These numbers are on the wire (pagestream.5). */
enum run_flag {
	RUN_PRESENT = 1 << 0, /* bytes follow, or should be read */
	RUN_PARENT = 1 << 1,  /* unchanged since the base round, no bytes */
	RUN_ZERO = 1 << 2,    /* reads as zeros, no bytes */
	RUN_SKIP = 1 << 3, /* was to be read and could not be; has a reason */
	RUN_LAZY = 1 << 4, /* alone: no bytes here, fetched on a fault;
			      with PRESENT or ZERO: could be made so */
};

/* Why a run was skipped: bits 8 to 15 of its flags.  Also on the wire. */
enum run_skip {
	SKIP_UNMAPPED = 1,   /* unmapped or emptied since the listing */
	SKIP_UNREADABLE = 2, /* there, but the kernel will not read it */
	SKIP_GONE = 3,       /* the process ended or called exec */
};
#define RUN_SKIPS           4 /* one more than the largest reason */
#define RUN_SKIP_FLAGS(why) ((uint32_t)RUN_SKIP | (uint32_t)(why) << 8)

struct run {
	vaddr_t vaddr; /* bytes */
	uint32_t nr_pages;
	uint32_t flags;
};

static inline enum run_skip run_why(const struct run *run)
{
	return (enum run_skip)(run->flags >> 8);
}

static inline vaddr_t run_end(const struct run *run, uint32_t page_size)
{
	return run->vaddr + (uint64_t)run->nr_pages * page_size;
}

/* Known flags in a meaningful combination, a length, and no wrap-around. */
bool run_is_valid(const struct run *run, uint32_t page_size);

/* Lengthens *last by next when they touch and are alike. */
bool run_join(struct run *last, const struct run *next, uint32_t page_size);

const char *run_skip_name(enum run_skip why);

#endif
