// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A listing of a tracked round is read only while no later round has been
 * opened: pages would come from behind a scan that another copy has.  The
 * tracker says so before the first read and after the last; and it is told
 * what could not be read, so that the next round asks for it again.  These
 * functions die.
 */
#ifndef MEMREAD_CONFIRM_H
#define MEMREAD_CONFIRM_H

#include "memread/source.h"

struct confirm {
	int tracker; /* -1: this round is not tracked */
	struct tracker_base round;
};

void confirm_begin(struct confirm *confirm, const Pagestream__Hello *hello,
		   const Pagestream__Release *release);
void confirm_end(struct confirm *confirm, const struct sources *sources);

#endif
