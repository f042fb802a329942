// SPDX-License-Identifier: GPL-3.0-or-later
#include "vm/run.h"

static bool flags_are_valid(uint32_t flags)
{
	uint32_t why = flags >> 8;

	switch (flags & 0xff) {
	case RUN_PRESENT:
	case RUN_PARENT:
	case RUN_ZERO:
	case RUN_LAZY:
	case RUN_PRESENT | RUN_LAZY:
	case RUN_ZERO | RUN_LAZY:
		return why == 0;
	case RUN_SKIP:
		return why > 0 && why < RUN_SKIPS;
	default:
		return false;
	}
}

bool run_is_valid(const struct run *run, uint32_t page_size)
{
	return flags_are_valid(run->flags) && run->nr_pages > 0 &&
	       run->vaddr % page_size == 0 &&
	       run_end(run, page_size) > run->vaddr;
}

bool run_join(struct run *last, const struct run *next, uint32_t page_size)
{
	if (last->flags != next->flags ||
	    run_end(last, page_size) != next->vaddr ||
	    next->nr_pages > UINT32_MAX - last->nr_pages)
		return false;
	last->nr_pages += next->nr_pages;
	return true;
}

const char *run_skip_name(enum run_skip why)
{
	switch (why) {
	case SKIP_UNMAPPED:
		return "unmapped";
	case SKIP_UNREADABLE:
		return "unreadable";
	case SKIP_GONE:
		return "gone";
	}
	return "unknown";
}
