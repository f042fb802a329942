// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Behind each round: is another one to be made?  With --rounds auto: is it
 * worth it?  Times in nanoseconds.
 *
 * Dirty are the pages that a round had to read: those it has sent, those of
 * zeros and those it has skipped.  They include what a round repeats of the one
 * before (memtrack(1)); its totals do not tell these apart, and the final copy
 * repeats them, too.
 */
#ifndef PREDUMP_PACE_H
#define PREDUMP_PACE_H

#include "predump/options.h"
#include "predump/totals.h"

enum pace_end {
	PACE_GOES_ON,
	PACE_DOWNTIME,      /* what is left fits in the wanted one */
	PACE_NOT_SHRINKING, /* twice in a row */
	PACE_MAX_TIME,
	PACE_MAX_ROUNDS,
};

struct pace {
	const struct options *options;
	uint64_t began_ns;
	unsigned int rounds;
	unsigned int stalled;  /* in a row, that were not much smaller */
	uint64_t smallest;     /* dirty pages of a round */
	uint64_t estimated_ns; /* behind the last round */
	enum pace_end end;
};

void pace_begin(struct pace *pace, const struct options *options);
/* A round is made, with these totals; see end. */
void pace_note(struct pace *pace, const struct totals *totals);

/* For how long a consistent copy right behind this round stops the target. */
uint64_t pace_estimate(const struct totals *totals);

/* "downtime", and the same for people: "what is left fits in ..." */
const char *pace_name(enum pace_end end);
const char *pace_reason(const struct pace *pace);

#endif
