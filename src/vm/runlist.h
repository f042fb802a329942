// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Runs in a row: ascending, not overlapping, merged where they touch and are
 * alike.  A list is all zeros when it is empty; its owner releases it.
 * -1 with ENOMEM.
 */
#ifndef VM_RUNLIST_H
#define VM_RUNLIST_H

#include "vm/run.h"

struct runlist {
	struct run *all;
	size_t nr;
	size_t room;
};

/* run begins where the last one ends, or behind it. */
int runlist_append(struct runlist *list, const struct run *run,
		   uint32_t page_size);

/*
 * The pages from start to end, in as many runs as their counts need; whole
 * pages, behind the last run.
 */
int runlist_append_range(struct runlist *list, vaddr_t start, vaddr_t end,
			 uint32_t flags, uint32_t page_size);

/* The pages of either, with these flags, into out, which is empty. */
int runlist_unite(struct runlist *out, const struct runlist *a,
		  const struct runlist *b, uint32_t flags, uint32_t page_size);

/*
 * What no run of list names between 0 and end, with these flags, into out,
 * which is empty.
 */
int runlist_invert(struct runlist *out, const struct runlist *list, vaddr_t end,
		   uint32_t flags, uint32_t page_size);

/* At most that many runs, by closing the smallest gaps. */
void runlist_coarsen(struct runlist *list, size_t max, uint32_t page_size);

/*
 * Takes a piece off the front of *run: pages that all are in the list, or that
 * all are not, which is given back.  *at is a place in the list, 0 at first;
 * the runs of successive calls ascend.
 */
bool runlist_cut(const struct runlist *list, size_t *at, struct run *run,
		 struct run *piece, uint32_t page_size);

void runlist_release(struct runlist *list);

#endif
