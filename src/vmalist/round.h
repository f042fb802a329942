// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A round of a copy that sends only what has changed: the tracker is asked
 * before anything is stopped; what was written is looked for, and cleared,
 * while the target is stopped (soft-dirty) or runs (userfaultfd); then the
 * record goes to the tracker.  These functions die.
 */
#ifndef VMALIST_ROUND_H
#define VMALIST_ROUND_H

#include "vmalist/listing.h"

#include "proc/tracker.h"

enum track {
	TRACK_AUTO, /* as the tracker does, if there is one */
	TRACK_NONE,
	TRACK_SOFT_DIRTY,
	TRACK_UFFD,
};

struct round_wish {
	enum track track;
	const char *base; /* generation or directory; NULL: the last one */
	bool full;
};

struct round {
	enum tracker_method method;
	int tracker; /* -1: none */
	char tracker_name[TRACKER_NAME_SIZE];
	struct tracker_round granted;
	struct tracker_tasks known; /* what the tracker knows of */
};

/* Changes hello: who the tracker is, and that the target must stay stopped
 * until the release. */
void round_open(struct round *round, const struct round_wish *wish,
		Pagestream__Hello *hello);

/* All tasks are known, and stopped, if that was asked for. */
void round_stopped(struct round *round, struct listing *listing,
		   const Pagestream__Hello *hello);

void round_describe(const struct round *round, Pagestream__Release *release);

/* Unless that was done while it was stopped: what has been written. */
void round_scan(struct round *round, struct listing *listing);

/* Which tasks have asynchronous I/O is known. */
void round_report(struct round *round, struct listing *listing);

#endif
