// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/live.h"

#include "base/num.h"
#include "predump/pace.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void live_begin(struct live *live, const struct options *options)
{
	*live = (struct live){
		.on = options->automatic && !options->quiet &&
		      (options->progress || isatty(STDERR_FILENO)),
		.redraws = !options->verbose,
	};
}

/* The space keeps off what a stage may say behind it. */
static void draw(struct live *live, const char *what)
{
	char line[160];
	int n = snprintf(line, sizeof(line),
			 live->redraws ? "\r%s \033[K" : "%s\n", what);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		live->on = false;
	live->drawn = live->redraws;
}

void live_first(struct live *live)
{
	if (live->on)
		draw(live, "round 1");
}

void live_round(struct live *live, unsigned int round,
		const struct totals *totals)
{
	uint64_t pages = totals_dirty(totals);
	char what[128];

	if (!live->on)
		return;
	snprintf(what, sizeof(what),
		 "round %u: %" PRIu64
		 " dirty pages (%s), %.0f MB/s, downtime about %s",
		 round, pages, num_bytes(pages * totals->page_size).text,
		 totals_rate(totals) / 1e6,
		 num_time(pace_estimate(totals)).text);
	draw(live, what);
}

void live_end(struct live *live)
{
	if (live->drawn && write(STDERR_FILENO, "\n", 1) < 0)
		live->on = false;
	live->drawn = false;
}
