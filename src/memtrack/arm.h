// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The processes whose writes are tracked by userfaultfd, each with the
 * descriptor by which that is done: taken from it, all its memory registered
 * and protected.  When we end, all that ends.
 */
#ifndef MEMTRACK_ARM_H
#define MEMTRACK_ARM_H

#include "proc/tracker.h"

#include "base/buf.h"

struct armed {
	struct tracker_tasks tasks; /* those with a uffd */
	struct buf waiting;         /* pid_t: to be armed later */
	uint64_t settled_ns; /* clock_ns(): when what was under way has come */
};

/*
 * 0 once it is; -1 with errno as taker_take(), EALREADY where somebody else has
 * registered its memory.
 */
int arm_process(struct armed *armed, pid_t pid);

/*
 * Waits until input has come that was under way before: no scan will show it.
 * Only where there may be some.
 */
void arm_settle(const struct armed *armed);

/* One that may not be armed now, since somebody traces it. */
void arm_later(struct armed *armed, pid_t pid);
/* Tries those; true: some are left. */
bool arm_waiting(struct armed *armed);

/* Those of a round that are new, and without those that are no more. */
void arm_new(struct armed *armed, const struct tracker_tasks *round);

#endif
