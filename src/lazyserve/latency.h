// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A histogram of times in ns, in memory that does not grow: 16 steps for each
 * power of two, so that what is told is right within 7 %.
 */
#ifndef LAZYSERVE_LATENCY_H
#define LAZYSERVE_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   16
#define LATENCY_BUCKETS (64 * LATENCY_STEPS)

struct latency {
	uint64_t nr;
	uint64_t most;
	uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);
/* What so many of a hundred are not above; 0 where there are none. */
uint64_t latency_percentile(const struct latency *latency, unsigned percent);

#endif
