// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/summary.h"

#include "base/die.h"
#include "base/num.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

void summary_print(const struct serve *serve)
{
	const struct totals *totals = &serve->totals;
	const struct latency *latency = &totals->latency;
	uint64_t pages = totals->fetched + totals->pushed;

	warn("%" PRIu64 " pages (%s) of %" PRIu64 " tasks in %s: %" PRIu64
	     " on faults, %" PRIu64 " pushed",
	     pages, num_bytes(pages * serve->page_size).text, totals->tasks,
	     num_time(totals->ended_ns - totals->began_ns).text,
	     totals->fetched, totals->pushed);
	if (totals->faults)
		warn("%" PRIu64 " faults (%" PRIu64 " of new memory), answered "
		     "in %s (median), %s (99 %%), %s (all)",
		     totals->faults, totals->zeros,
		     num_time(latency_percentile(latency, 50)).text,
		     num_time(latency_percentile(latency, 99)).text,
		     num_time(latency->most).text);
	if (totals->there)
		warn("%" PRIu64
		     " pages were there when they came, and not from here: "
		     "they may be wrong (of zeros, by khugepaged)",
		     totals->there);
	if (totals->refused)
		warn("%" PRIu64 " pages were for memory that is not there, or "
		     "not lazy",
		     totals->refused);
}

static void put(json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

int summary_print_json(const struct serve *serve)
{
	const struct totals *totals = &serve->totals;
	const struct latency *latency = &totals->latency;
	json_object *object = json_object_new_object();
	int result;

	put(object, "page_size", serve->page_size);
	put(object, "tasks", totals->tasks);
	put(object, "forks", totals->forks);
	put(object, "faults", totals->faults);
	put(object, "zeros", totals->zeros);
	put(object, "fetched", totals->fetched);
	put(object, "pushed", totals->pushed);
	put(object, "there", totals->there);
	put(object, "refused", totals->refused);
	put(object, "latency_median_ns", latency_percentile(latency, 50));
	put(object, "latency_99_ns", latency_percentile(latency, 99));
	put(object, "latency_most_ns", latency->most);
	put(object, "restored_ns", totals->finished_ns - totals->began_ns);
	put(object, "ns", totals->ended_ns - totals->began_ns);
	result = printf("%s\n", json_object_to_json_string_ext(
					object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	return result < 0 || fflush(stdout) < 0 ? -1 : 0;
}
