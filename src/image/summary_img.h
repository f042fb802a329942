// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * inventory.img, whose presence says that a directory is whole, and
 * stats-dump.  -1 with errno.
 */
#ifndef IMAGE_SUMMARY_IMG_H
#define IMAGE_SUMMARY_IMG_H

#include <stdint.h>

#define INVENTORY_NAME "inventory.img"
#define INDEX_NAME     "pagepipe.index" /* says that no page is here */

/*
 * As CRIU writes it for a pre-dump (criu/cr-dump.c, cr_pre_dump_finish()):
 * version 0, the source's uptime, by which the next dump tells a pid that
 * was used again, and "read" as the mode.
 */
int inventory_write(int dir, uint64_t uptime_us);

/* The uptime, 0 where there is none; EBADMSG for what is no inventory. */
int inventory_read(int dir, uint64_t *uptime_us);

struct dump_stats {
	uint64_t stopped_ns;
	uint64_t written_ns; /* from the first frame to the last */
	uint64_t pages_scanned;
	uint64_t pages_skipped_parent;
	uint64_t pages_written;
	uint64_t pages_lazy;
};

int stats_write(int dir, const struct dump_stats *stats);

#endif
