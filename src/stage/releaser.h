// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The releaser's part in a stage: it takes the keeper's lease as soon as it
 * has read HELLO, so that all stages up to it are known to run before anything
 * is stopped, and lets the target run.  These functions die.
 */
#ifndef STAGE_RELEASER_H
#define STAGE_RELEASER_H

#include "stage/stage.h"

struct releaser {
	int lease; /* -1: released, or never held */
	uint64_t stopped_ns;
};

/* Dies when the stream was never stopped or comes from another machine. */
void releaser_need_live(const Pagestream__Hello *hello, const char *what);

/*
 * Dies when thaw has let the target run long ago: a stream that was kept, and
 * is replayed.  One that is not released yet needs no such limit, since its
 * keeper must live.
 */
void releaser_need_fresh(const Pagestream__Release *release);

/*
 * Passes HELLO on, with the mark that tells the stages to the right that the
 * lease is taken, and takes it.
 */
void releaser_greet(struct releaser *releaser, struct stage *stage);

/* Lets the target run and writes THAWED, which repeats release. */
void releaser_thaw(struct releaser *releaser, struct stage *stage,
		   Pagestream__Release *release);

#endif
