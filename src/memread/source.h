// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tasks whose memory is read.  Each is opened when its TASK frame comes,
 * before anything runs on, so that a later exec or a pid used again cannot
 * put another program's pages in their place.  These functions die.
 */
#ifndef MEMREAD_SOURCE_H
#define MEMREAD_SOURCE_H

#include "proc/mem.h"
#include "proc/pagescan.h"
#include "proc/tracker.h"
#include "stage/stage.h"

struct source {
	pid_t pid;
	pid_t tid; /* a living one */
	bool named;
	bool gone;
	struct mem mem;
	struct pagescan *scan;
	/* for the record of rounds: pages that nobody has */
	struct tracker_task skipped;
};

struct sources {
	struct source *all;
	uint32_t nr;
	uint32_t room;
	uint64_t resident_pages;
};

void sources_add(struct sources *sources, const Pagestream__Task *task,
		 enum mem_method method);

/* Once they run, or are to be read: how must each be read? */
void sources_mind_userfaultfd(struct sources *sources);

#endif
