// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The memory of tasks: their pagemaps checked, and given out as PAGES frames.
 * These functions die.
 */
#ifndef IMGREAD_MEMORY_H
#define IMGREAD_MEMORY_H

#include "image/chain.h"
#include "imgread/kept.h"
#include "stage/progress.h"

#define MEMORY_CHUNK (256u << 10) /* bytes of pages in one frame */
#define MEMORY_RUNS  1024         /* runs in one frame */

struct memory {
	struct chain *chain;
	struct contents *contents;
	const struct kept *kept;
	struct stage *stage;
	bool flatten; /* PARENT pages come out with their bytes */
	struct progress progress;
	uint64_t expected; /* pages with bytes */
	/* the frame that is being filled */
	uint32_t subject;
	struct run runs[MEMORY_RUNS];
	uint32_t nr_runs;
	char *data;
	uint32_t filled; /* bytes */
};

/* Dies with what a function of the chain has said. */
_Noreturn void memory_die(const struct chain *chain);

/* All tasks' pagemaps and pages files, and their parents where needed. */
void memory_check(struct memory *memory);
void memory_send(struct memory *memory);

#endif
