// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What became of a round, as one line of JSON for the program that asked for
 * it with --totals; memread(1) lists the names.
 */
#ifndef MEMREAD_TOTALS_H
#define MEMREAD_TOTALS_H

#include "stream/pagestream.pb-c.h"
#include "vm/tally.h"

struct totals {
	int fd; /* -1: nobody asked */
	bool consistent;
	uint32_t page_size; /* bytes */
	uint32_t tasks;
	uint64_t stopped_ns;
	uint64_t read_ns;
	Pagestream__Tracking tracking;
	uint64_t generation;
	uint64_t base_generation;
};

/* 0, or -1 with errno. */
int totals_write(const struct totals *totals, const struct tally *tally,
		 const Pagestream__End *end);

#endif
