// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The directory that a stream's PARENT runs refer to.  It must hold the round
 * that the stream builds on, of the same processes, and every page that the
 * stream does not bring.  One level is enough: what stands in a parent was
 * checked when that was written.  These functions die.
 */
#ifndef IMGWRITE_PARENT_H
#define IMGWRITE_PARENT_H

#include "image/dir.h"
#include "image/pagemap_img.h"
#include "stage/stage.h"
#include "stream/head.h"

struct parent {
	const char *path; /* NULL: none was given */
	bool needed;      /* by this stream */
	int dir;
	struct head head;   /* no release: CRIU made it */
	uint64_t uptime_us; /* dump_uptime */
	/* of the task that is being written */
	struct pagemap_list list;
	bool loaded;
};

void parent_open(struct parent *parent, const struct image_dir *dir,
		 const char *path);

/* Is it what this round builds on? */
void parent_check(struct parent *parent, const Pagestream__Hello *hello,
		  const Pagestream__Release *release);

struct parent_task {
	uint32_t ns_pid;
	uint64_t start_time;
	uint64_t start_stack;
	uint32_t clk_tck;
	uint32_t page_size;
};

/* Holds all pages of a PARENT run against it. */
void parent_hold(struct parent *parent, const struct parent_task *task,
		 const struct run *run);

/* The next run is another task's. */
void parent_next_task(struct parent *parent);

#endif
