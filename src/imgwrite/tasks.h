// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tasks of a stream and the images they become.  They come one after
 * another, so only one is open at a time.  These functions die.
 */
#ifndef IMGWRITE_TASKS_H
#define IMGWRITE_TASKS_H

#include "imgwrite/others.h"
#include "imgwrite/parent.h"
#include "imgwrite/writer.h"

struct task_image {
	uint32_t pid;      /* as freeze saw it */
	uint32_t ns_pid;   /* names the files */
	uint32_t pages_id; /* the N of its pages-N.img */
	uint64_t start_time;
	uint64_t start_stack;
	uint64_t nr_pages; /* written */
};

struct tasks {
	int dir;                     /* where the images go */
	const struct others *others; /* what has names already */
	struct task_image *all;
	uint32_t nr;
	uint32_t room;
	uint32_t opened; /* tasks whose files exist; the last one is open */
	struct pagemap_img img;
	struct parent parent;
	uint32_t clk_tck;
	bool index;          /* holes for the pages' bytes */
	uint64_t nr_written; /* pages */
	struct writer writer;
};

void tasks_add(struct tasks *tasks, const Pagestream__Task *task);

/* The PAGES frame that stage gave last. */
void tasks_write(struct tasks *tasks, struct stage *stage, uint32_t subject);

/* All files of all tasks but those that ended meanwhile. */
void tasks_finish(struct tasks *tasks, struct stage *stage);

#endif
