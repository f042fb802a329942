// SPDX-License-Identifier: GPL-3.0-or-later
/* What the guard does when the daemon is gone; see guard.h. */
#ifndef LAZYSERVE_AVENGE_H
#define LAZYSERVE_AVENGE_H

#include "lazyserve/guard.h"

void avenge(const struct guard *guard);

#endif
