// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The memtrack of the target: found running, or started for as long as we run.
 */
#ifndef PREDUMP_TRACKER_H
#define PREDUMP_TRACKER_H

#include "predump/run.h"

struct tracker {
	bool ours;
	struct run run;
};

/* Dies when there is none and none can be had. */
void tracker_begin(struct tracker *tracker, const struct plan *plan);
void tracker_end(struct tracker *tracker);

#endif
