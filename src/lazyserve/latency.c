// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/latency.h"

/* Below 16 ns each has its own; above, the four bits behind the first. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned log;

	if (ns < LATENCY_STEPS)
		return (unsigned)ns;
	log = 63 - (unsigned)__builtin_clzll(ns);
	return (log - 3) * LATENCY_STEPS +
	       (unsigned)(ns >> (log - 4) & (LATENCY_STEPS - 1));
}

static uint64_t begin_of(unsigned bucket)
{
	unsigned log = bucket / LATENCY_STEPS + 3;

	if (bucket < LATENCY_STEPS)
		return bucket;
	return (uint64_t)(LATENCY_STEPS + bucket % LATENCY_STEPS) << (log - 4);
}

void latency_add(struct latency *latency, uint64_t ns)
{
	latency->nr++;
	if (ns > latency->most)
		latency->most = ns;
	latency->buckets[bucket_of(ns)]++;
}

uint64_t latency_percentile(const struct latency *latency, unsigned percent)
{
	uint64_t wanted = (latency->nr * percent + 99) / 100;
	uint64_t seen = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS && latency->nr; i++) {
		seen += latency->buckets[i];
		if (seen >= wanted)
			return begin_of(i);
	}
	return latency->most;
}
