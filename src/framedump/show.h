// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Frames as text, one line each and one for each thing in it.  Names come
 * from a stream and are never trusted: what is not printable is escaped.
 */
#ifndef FRAMEDUMP_SHOW_H
#define FRAMEDUMP_SHOW_H

#include "stream/reader.h"

/* What a summary counts beyond the reader's own totals. */
struct shown {
	uint64_t mappings;
	uint64_t resident_pages;
	uint64_t stopped_ns;
};

void show_count(struct shown *shown, const struct stream_reader *in,
		const struct frame *frame);

void show_frame(const struct stream_reader *in, const struct frame *frame);
void show_end(const struct stream_reader *in);
void show_summary(const struct stream_reader *in, const struct shown *shown,
		  bool whole);

#endif
