// SPDX-License-Identifier: GPL-3.0-or-later
#include "memread/totals.h"

#include "base/io.h"

#include <inttypes.h>
#include <stdio.h>

static const char *tracking_name(Pagestream__Tracking tracking)
{
	switch (tracking) {
	case PAGESTREAM__TRACKING__TRACK_UFFD:
		return "uffd";
	case PAGESTREAM__TRACKING__TRACK_SOFT_DIRTY:
		return "soft-dirty";
	case PAGESTREAM__TRACKING__TRACK_NONE:
	case _PAGESTREAM__TRACKING_IS_INT_SIZE:
		break;
	}
	return "none";
}

/* Numbers and fixed words alone: nothing here has to be escaped. */
int totals_write(const struct totals *totals, const struct tally *tally,
		 const Pagestream__End *end)
{
	char line[1024];
	int n = snprintf(
		line, sizeof(line),
		"{\"whole\":%s,\"consistent\":%s,\"page_size\":%" PRIu32
		",\"tasks\":%" PRIu32 ",\"gone\":%zu,\"async_io\":%zu"
		",\"tracking\":\"%s\",\"generation\":%" PRIu64
		",\"base_generation\":%" PRIu64 ",\"stopped_ns\":%" PRIu64
		",\"read_ns\":%" PRIu64 ",\"sent\":%" PRIu64
		",\"zero\":%" PRIu64 ",\"unchanged\":%" PRIu64
		",\"lazy\":%" PRIu64 ",\"skipped\":{\"unmapped\":%" PRIu64
		",\"unreadable\":%" PRIu64 ",\"gone\":%" PRIu64
		"},\"bytes\":%" PRIu64 "}\n",
		end->outcome == PAGESTREAM__OUTCOME__WHOLE ? "true" : "false",
		totals->consistent ? "true" : "false", totals->page_size,
		totals->tasks, end->n_gone, end->n_async_io,
		tracking_name(totals->tracking), totals->generation,
		totals->base_generation, totals->stopped_ns, totals->read_ns,
		tally->present, tally->zero, tally->parent, tally->lazy,
		tally->skip[SKIP_UNMAPPED], tally->skip[SKIP_UNREADABLE],
		tally->skip[SKIP_GONE], tally->present * totals->page_size);

	return io_write(totals->fd, line, (size_t)n);
}
