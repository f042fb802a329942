// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pagemap-PID.img and the pages-N.img that it names, written;
 * pagemap_list.h reads them back.
 *
 * A pagemap is a list of runs, ascending.  The bytes of its PRESENT entries
 * stand in pages-N.img one after another, with no index: an entry's place is
 * the sum of those before it.  A page of zeros is PRESENT over a hole of that
 * file, so that a child's PARENT entry never misses it.
 *
 * Entries carry their count in both field 2 and field 5 (CRIU before 4.2
 * knows only the one, CRIU 4.2 prefers the other) and hold at most 1,024
 * pages, as CRIU's own do.  LAZY stays on pages whose bytes are here: without
 * it `criu restore --lazy-pages` would fetch none of them on a fault.
 */
#ifndef IMAGE_PAGEMAP_IMG_H
#define IMAGE_PAGEMAP_IMG_H

#include "base/buf.h"
#include "image/pagemap_list.h"
#include "vm/run.h"

#define PAGEMAP_ENTRY_MAX 1024 /* pages */

struct pagemap_img {
	uint32_t page_size;
	int entries;         /* pagemap-ID.img */
	struct buf out;      /* what is not written to it yet */
	struct run last;     /* not yet in out; no pages: none */
	int pages;           /* pages-N.img */
	uint64_t offset;     /* bytes, holes included */
	uint64_t nr_present; /* pages */
};

/*
 * Starts both files; id is the process's pid in its own namespace, pages_id
 * the N.  -1 with errno.
 */
int pagemap_img_create(struct pagemap_img *img, int dir, uint32_t id,
		       uint32_t pages_id, uint32_t page_size);
/* The same of any name. */
int pagemap_img_create_file(struct pagemap_img *img, int dir, const char *name,
			    uint32_t pages_id, uint32_t page_size);

/* An entry for run; what it is in CRIU's flags follows from its own. */
int pagemap_img_add(struct pagemap_img *img, const struct run *run);

/*
 * The bytes of PRESENT runs, and holes for ZERO runs, in their order.  A hole
 * stays one, unless the caller writes there himself before the end.
 */
int pagemap_img_data(struct pagemap_img *img, const void *data, size_t size);
void pagemap_img_hole(struct pagemap_img *img, uint64_t size);

/* Writes out and syncs both. */
int pagemap_img_finish(struct pagemap_img *img);
void pagemap_img_release(struct pagemap_img *img);

#endif
