// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where pages come from.  They are asked for, and arrive later, in the order
 * of the asking or not; an arrival may hold fewer pages than were asked for,
 * the first ones, and the others are then asked for again.
 *
 *   source_ask()           as often as there is room (source_has_room)
 *   source_take()          until SOURCE_WAITS, when in can be read
 *   source_send()          when out can be written
 *
 * A source that fails has said why in its text.
 */
#ifndef LAZYSERVE_SOURCE_H
#define LAZYSERVE_SOURCE_H

#include "lazyserve/images.h"

struct wish {
	void *of; /* whoever asks */
	struct images *images;
	vaddr_t image; /* the address, as the images have it */
	vaddr_t near;  /* where it was in the memory */
	uint64_t nr_pages;
	bool urgent; /* somebody waits for it */
};

struct arrival {
	struct wish wish;
	uint64_t nr_pages;
	const char *data; /* until the next call; NULL: zeros */
};

enum source_outcome {
	SOURCE_ARRIVAL,
	SOURCE_WAITS,
	SOURCE_FAILED,
};

struct source {
	/* -1: text says why */
	int (*ask)(struct source *, const struct wish *);
	enum source_outcome (*take)(struct source *, struct arrival *);
	int (*send)(struct source *);
	bool (*has_room)(const struct source *, bool urgent);
	short (*events)(const struct source *); /* of poll(2) */
	int in, out;                            /* to poll, or -1 */
	uint64_t window; /* pages under way that nobody waits for, at most */
	uint64_t most;   /* pages that it likes to be asked for at once */
	char text[PATH_MAX + 256];
};

#endif
