// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The pages of an image directory and of its parents, by pid and address, in
 * no order.  A pagemap is read when it is first asked for, and kept.
 *
 * A page that the pagemap does not name was not there when the process was
 * copied.  No restore asks for it, unless of another directory: it is as little
 * here as one that is named as lazy, without bytes.
 */
#ifndef PAGESERVE_STORE_H
#define PAGESERVE_STORE_H

#include "image/chain.h"
#include "pageserve/fault.h"

struct store_task {
	uint32_t pid;
	struct chain chain;
};

struct store {
	const char *path;
	uint32_t page_size;
	struct store_task **all;
	size_t nr;
};

/*
 * Up to nr_pages into data: how many it has in a row, which is 0 where it does
 * not have the first one.  -1 where the directory is bad: fault.
 */
int64_t store_read(struct store *store, uint32_t pid, vaddr_t vaddr,
		   uint64_t nr_pages, char *data, struct fault *fault);

void store_release(struct store *store);

#endif
