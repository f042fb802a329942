// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A progress line on stderr: pages, rate, share of what is expected, time
 * left.  By itself only on a terminal; --progress forces it, -q silences it.
 * Never while a target is stopped: it may be the program behind the terminal.
 */
#ifndef STAGE_PROGRESS_H
#define STAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool drawn;
	uint32_t page_size;
	uint64_t expected; /* pages; 0: not known */
	uint64_t began_ns;
	uint64_t next_ns;
};

/* wanted: may this tool show one by itself, on a terminal? */
void progress_begin(struct progress *progress, uint32_t page_size, bool wanted);
void progress_show(struct progress *progress, uint64_t pages);
/* Ends the line, so that what follows begins its own. */
void progress_end(struct progress *progress, uint64_t pages);

#endif
