// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/pace.h"

#include "base/clock.h"
#include "base/num.h"
#include "predump/plan.h"

/*
 * One round may be no smaller by chance; and the third never is where the
 * second was large, as it repeats that one.
 */
#define MOST_STALLED 2

void pace_begin(struct pace *pace, const struct options *options)
{
	*pace = (struct pace){
		.options = options,
		.began_ns = clock_ns(),
		.smallest = UINT64_MAX,
		.end = options_rounds(options) ? PACE_GOES_ON : PACE_MAX_ROUNDS,
	};
}

/*
 * As many pages as the round has read, at its own rate: that is the time it
 * took.  Rates of larger rounds would promise too much, as every round has
 * costs that do not shrink with it.
 */
uint64_t pace_estimate(const struct totals *totals)
{
	return totals->stopped_ns + totals->read_ns;
}

/* By a tenth, below the smallest before: sizes that swing do not shrink. */
static bool has_shrunk(const struct pace *pace, uint64_t dirty)
{
	return dirty < pace->smallest - pace->smallest / 10;
}

static enum pace_end end_of_automatic(const struct pace *pace)
{
	const struct options *options = pace->options;

	if (options->downtime_ns && pace->estimated_ns <= options->downtime_ns)
		return PACE_DOWNTIME;
	if (pace->stalled == MOST_STALLED)
		return PACE_NOT_SHRINKING;
	if (options->max_time_ns &&
	    clock_ns() - pace->began_ns >= options->max_time_ns)
		return PACE_MAX_TIME;
	return PACE_GOES_ON;
}

void pace_note(struct pace *pace, const struct totals *totals)
{
	uint64_t dirty = totals_dirty(totals);

	pace->rounds++;
	pace->stalled = has_shrunk(pace, dirty) ? 0 : pace->stalled + 1;
	if (dirty < pace->smallest)
		pace->smallest = dirty;
	pace->estimated_ns = pace_estimate(totals);
	if (pace->options->automatic)
		pace->end = end_of_automatic(pace);
	if (pace->end == PACE_GOES_ON &&
	    pace->rounds == options_rounds(pace->options))
		pace->end = PACE_MAX_ROUNDS;
}

const char *pace_name(enum pace_end end)
{
	switch (end) {
	case PACE_GOES_ON:
		break;
	case PACE_DOWNTIME:
		return "downtime";
	case PACE_NOT_SHRINKING:
		return "not-shrinking";
	case PACE_MAX_TIME:
		return "max-time";
	case PACE_MAX_ROUNDS:
		return "max-rounds";
	}
	return NULL;
}

const char *pace_reason(const struct pace *pace)
{
	const struct options *options = pace->options;

	switch (pace->end) {
	case PACE_GOES_ON:
		break;
	case PACE_DOWNTIME:
		return text("what is left fits in %s",
			    num_time(options->downtime_ns).text);
	case PACE_NOT_SHRINKING:
		return "what is left no longer shrinks";
	case PACE_MAX_TIME:
		return text("%s are over", num_time(options->max_time_ns).text);
	case PACE_MAX_ROUNDS:
		return "these are the most";
	}
	return "";
}
