// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The line on stderr of --rounds auto, while its rounds are made: by itself
 * only on a terminal; --progress forces it, -q silences it.  With -v it is a
 * line of its own for each round, as the stages say more in between.  Never
 * while the target is stopped: it may be the program behind the terminal.
 */
#ifndef PREDUMP_LIVE_H
#define PREDUMP_LIVE_H

#include "predump/options.h"
#include "predump/totals.h"

struct live {
	bool on;
	bool redraws; /* in its place; memread must not draw there */
	bool drawn;
};

void live_begin(struct live *live, const struct options *options);
/* Round 1 begins: nothing is known yet. */
void live_first(struct live *live);
/* A round is made, the next one follows. */
void live_round(struct live *live, unsigned int round,
		const struct totals *totals);
/* Ends the line, so that what follows begins its own. */
void live_end(struct live *live);

#endif
