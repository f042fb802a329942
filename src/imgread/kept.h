// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The control frames of the stream: those that imgwrite kept in pagepipe.head,
 * or, for a directory of CRIU's own, what can be told from its files.  These
 * functions die.
 */
#ifndef IMGREAD_KEPT_H
#define IMGREAD_KEPT_H

#include "base/buf.h"
#include "imgread/contents.h"
#include "stage/stage.h"

struct kept_task {
	uint32_t pid; /* names the files */
	bool gone;    /* ended while it was copied: has no files */
};

struct kept {
	int dir;
	const struct contents *contents;
	uint32_t page_size;
	uint64_t uptime_us;      /* of inventory.img */
	struct kept_task *tasks; /* by subject */
	uint32_t nr_tasks;
	bool released; /* RELEASE or THAWED was seen */
	bool flatten;  /* what is sent builds on no earlier round */
	struct buf
		late; /* the table of a THAWED that belongs behind the pages */
};

/* Reads and checks; sends nothing. */
void kept_read(struct kept *kept, int dir, const struct contents *contents);

/* What comes before the pages, and what comes behind them. */
void kept_send(struct kept *kept, struct stage *stage);
void kept_send_late(struct kept *kept, struct stage *stage);

#endif
