// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * From a listing's runs to PAGES frames: what was to be read comes out as
 * PRESENT, ZERO or SKIP, every page exactly once and in order; all other runs
 * pass.  These functions die.
 */
#ifndef MEMREAD_COPY_H
#define MEMREAD_COPY_H

#include "memread/source.h"

/*
 * Pieces of 256 KiB stay in the CPU's cache between the read and the write
 * to the pipe: larger ones are slower.
 */
#define COPY_CHUNK RING_PIECE /* bytes */
#define COPY_RUNS  1024       /* in one PAGES frame */

struct copy {
	struct stage *stage;
	bool digest;
	bool strict;  /* a consistent copy: a skip is fatal */
	bool tracked; /* a later round may build on this one */
	void (*beat)(void *);
	void *beat_of;

	uint32_t page_size;
	uint32_t room;   /* pages in data */
	char *data;      /* a piece of the stage's ring, where it has one */
	uint32_t filled; /* pages of data that will be sent */
	struct run out[COPY_RUNS];
	uint32_t nr_out;
};

void copy_begin(struct copy *copy, struct stage *stage, bool digest);

/* Reads what the runs of one RUNS frame ask for, and writes it. */
void copy_runs(struct copy *copy, struct source *source, uint32_t subject,
	       const struct run *runs, uint32_t nr);

#endif
