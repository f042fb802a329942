// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The source that is a directory and its parents: what is asked for arrives at
 * once.
 */
#ifndef LAZYSERVE_LOCAL_H
#define LAZYSERVE_LOCAL_H

#include "lazyserve/source.h"

#define LOCAL_MOST 128 /* pages; half a MiB is some 80 us of copying */

struct local {
	struct source source;
	struct wish wish; /* the one that waits */
	bool waits;
	char *room; /* LOCAL_MOST pages */
};

/* -1 with ENOMEM. */
int local_begin(struct local *local, uint32_t page_size);
void local_end(struct local *local);

#endif
