// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One loop that serves all memories of a restore, in this order of haste:
 * events and faults, what arrives, who comes in, and one piece more of what
 * nobody has asked for.  It never blocks while there is something to do.
 *
 *   announce.c   restore hands the memories over
 *   event.c      what happens to them
 *   answer.c     a fault is answered
 *   deliver.c    pages are wished for, arrive and are put in place
 *   push.c       which piece is next
 *   guard.c      what if we die
 *
 * These functions die: a restore that cannot be served to its end has no other
 * end (see guard.h).
 */
#ifndef LAZYSERVE_SERVE_H
#define LAZYSERVE_SERVE_H

#include "lazyserve/announce.h"
#include "lazyserve/guard.h"
#include "lazyserve/latency.h"
#include "lazyserve/local.h"
#include "lazyserve/memory.h"
#include "stage/progress.h"

struct totals {
	uint64_t began_ns;    /* the first task was announced */
	uint64_t finished_ns; /* restore was: the tasks run */
	uint64_t ended_ns;
	uint64_t expected; /* pages */
	uint64_t tasks, forks;
	uint64_t faults;  /* answered */
	uint64_t zeros;   /* of them: of no page of the images */
	uint64_t fetched; /* pages given for a fault */
	uint64_t pushed;  /* pages given without one */
	uint64_t there;   /* pages that were there when they came */
	uint64_t refused; /* pages that no mapping took */
	struct latency latency;
};

struct serve {
	uint32_t page_size;
	struct image_set *set;
	struct memory **memories;
	size_t nr, room;
	size_t turn; /* whose piece was the last */
	struct announce announce;
	struct guard guard;
	struct local local;
	struct source *remote; /* NULL: there is none */
	bool remote_sends;     /* waits for room to send */
	uint64_t search_ns;    /* when to look for children; 0: not */
	uint64_t rest_ns;      /* no looking before then */
	int epoll;
	struct totals totals;
	struct progress progress;
};

/* Until all pages of all tasks are where they belong. */
void serve_run(struct serve *serve);

void serve_add(struct serve *serve, struct memory *memory);

#endif
