// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The totals of a copy, as memread --totals writes them; memread(1).
 */
#ifndef PREDUMP_TOTALS_H
#define PREDUMP_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

struct totals {
	uint64_t page_size; /* bytes */
	uint64_t tasks;
	uint64_t gone;
	uint64_t async_io;
	uint64_t generation;
	uint64_t base_generation; /* 0: this copy is a whole one */
	uint64_t stopped_ns;
	uint64_t read_ns;
	uint64_t sent; /* pages, here and below */
	uint64_t unchanged;
	uint64_t zero;
	uint64_t lazy;
	uint64_t unmapped; /* skipped */
	uint64_t unreadable;
	uint64_t vanished;
	uint64_t bytes;
	char tracking[16];
};

/* -1 with EPROTO when line is not what memread writes. */
int totals_parse(struct totals *totals, const char *line);

/* Adds what can be added. */
void totals_add(struct totals *sum, const struct totals *totals);

uint64_t totals_skipped(const struct totals *totals);
/* Pages that were to be read; pace.h. */
uint64_t totals_dirty(const struct totals *totals);
double totals_rate(const struct totals *totals); /* bytes a second */

#endif
