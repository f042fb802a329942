// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/runs.h"

#include "stream/wire.h"

#define RUN_SIZE    16
#define DIGEST_SIZE 8

uint32_t runs_encode(uint8_t *table, const struct run *runs, uint32_t nr)
{
	uint8_t *at = table;

	for (uint32_t i = 0; i < nr; i++) {
		put_u64(&at, runs[i].vaddr);
		put_u32(&at, runs[i].nr_pages);
		put_u32(&at, runs[i].flags);
	}
	return (uint32_t)(at - table);
}

uint32_t pages_encode(uint8_t *table, uint64_t digest, const struct run *runs,
		      uint32_t nr)
{
	uint8_t *at = table;

	put_u64(&at, digest);
	return DIGEST_SIZE + runs_encode(at, runs, nr);
}

static struct run take_run(const uint8_t **at)
{
	struct run run;

	run.vaddr = get_u64(at);
	run.nr_pages = get_u32(at);
	run.flags = get_u32(at);
	return run;
}

/* Two statements of one fact, the runs and the length, are compared. */
static bool body_fits(const struct frame *frame, uint64_t pages,
		      uint32_t page_size)
{
	return frame->kind != KIND_PAGES ||
	       frame->body_size == pages * page_size;
}

int runs_decode(const struct frame *frame, uint32_t page_size, struct run *runs)
{
	uint32_t skip = frame->kind == KIND_PAGES ? DIGEST_SIZE : 0;
	const uint8_t *at = frame->table + skip;
	uint64_t pages = 0;
	int nr = 0;

	if (frame->table_size <= skip ||
	    (frame->table_size - skip) % RUN_SIZE ||
	    (frame->table_size - skip) / RUN_SIZE > RUNS_MAX)
		return -1;
	while (at < frame->table + frame->table_size) {
		runs[nr] = take_run(&at);
		if (!run_is_valid(&runs[nr], page_size))
			return -1;
		if (runs[nr].flags & RUN_PRESENT)
			pages += runs[nr].nr_pages;
		nr++;
	}
	return body_fits(frame, pages, page_size) ? nr : -1;
}
