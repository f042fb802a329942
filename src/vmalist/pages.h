// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which pages of a listing's tasks are worth reading: RUNS.  Usually they are
 * looked for once the target runs; a round that is tracked has to see them
 * while it is stopped.  These functions die.
 */
#ifndef VMALIST_PAGES_H
#define VMALIST_PAGES_H

#include "vmalist/listing.h"

/* Finds them now, and which of them were not written. */
void pages_scan(struct listing *listing, enum pagescan_split split);

/* Writes those that pages_scan() has found, or finds them now. */
void pages_write(struct listing *listing, struct stage *stage);

#endif
