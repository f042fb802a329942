// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tables of RUNS and PAGES frames.
 *
 *   RUNS     run, 16 bytes each: vaddr 8, nr_pages 4, flags 4
 *   PAGES    digest 8 (XXH3-64 of the body; 0 without FRAME_DIGEST), then runs
 */
#ifndef STREAM_RUNS_H
#define STREAM_RUNS_H

#include "stream/frame.h"
#include "vm/run.h"

#define RUNS_MAX 4096 /* runs in one frame */

#define RUNS_TABLE_MAX (8 + RUNS_MAX * 16) /* bytes */

/* Bytes written to table. */
uint32_t runs_encode(uint8_t *table, const struct run *runs, uint32_t nr);
uint32_t pages_encode(uint8_t *table, uint64_t digest, const struct run *runs,
		      uint32_t nr);

/*
 * The runs of a RUNS or PAGES frame, at most RUNS_MAX; how many, or -1 when
 * the table or a run in it is not valid, or a PAGES body does not have the
 * size that its runs say.
 */
int runs_decode(const struct frame *frame, uint32_t page_size,
		struct run *runs);

#endif
