// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The source that is a directory and its parents: what is asked for arrives at
 * once.  The data of an arrival is a mapped file, which only a system call may
 * read: EFAULT says that the file has become shorter, or cannot be read.
 */
#ifndef LAZYSERVE_LOCAL_H
#define LAZYSERVE_LOCAL_H

#include "lazyserve/source.h"

#define LOCAL_MOST 128 /* pages; half a MiB is some 80 us of copying */

struct local {
	struct source source;
	struct wish wish; /* the one that waits */
	bool waits;
};

void local_begin(struct local *local);

#endif
