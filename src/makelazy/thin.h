// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * PAGES frames without the bytes that can be fetched later:
 *
 *   before   PRESENT   PRESENT  ZERO  PRESENT|LAZY  PARENT  SKIP  LAZY
 *   may be   no        yes      yes   yes           -       -     -
 *   after    PRESENT   LAZY     LAZY  LAZY          PARENT  SKIP  LAZY
 *
 * What stays has no LAZY any more: by that flag `criu restore --lazy-pages`
 * leaves even pages to the daemon whose bytes it has.  Small frames become
 * larger ones.  These functions die.
 */
#ifndef MAKELAZY_THIN_H
#define MAKELAZY_THIN_H

#include "makelazy/tasks.h"
#include "stage/stage.h"

#define THIN_CHUNK (256u << 10) /* bytes of pages in one frame */
#define THIN_RUNS  1024         /* runs in one frame */

struct thin {
	struct stage *stage;
	bool mark; /* only: bytes stay, with LAZY where they may be */
	uint32_t page_size;
	uint64_t nr_lazy;     /* pages that may be so */
	uint64_t nr_unmarked; /* and came without LAZY */
	/* the frame that is being filled */
	uint32_t subject;
	bool digest;
	struct run runs[THIN_RUNS];
	uint32_t nr_runs;
	char *data;
	uint32_t room;   /* bytes */
	uint32_t filled; /* bytes */
};

void thin_begin(struct thin *thin, struct stage *stage);

/* The PAGES frame that stage gave last, which is of this task. */
void thin_take(struct thin *thin, struct task *task, const struct frame *frame);

/* Writes what is held back still; before any other frame. */
void thin_flush(struct thin *thin);

#endif
