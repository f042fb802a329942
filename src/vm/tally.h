// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How many pages of each fate.  Every page counts once: PRESENT|LAZY as
 * present, ZERO|LAZY as zero.
 */
#ifndef VM_TALLY_H
#define VM_TALLY_H

#include "vm/run.h"

struct tally {
	uint64_t runs;
	uint64_t present; /* pages, here and below */
	uint64_t zero;
	uint64_t parent;
	uint64_t lazy;
	uint64_t skip[RUN_SKIPS]; /* by reason; [0] stays 0 */
};

void tally_add(struct tally *tally, const struct run *run);
uint64_t tally_skipped(const struct tally *tally);

#endif
