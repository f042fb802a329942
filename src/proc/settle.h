// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The second half of a stop: waiting until all threads that were interrupted
 * have stopped, and what may keep them from it.  For seize.c alone.
 */
#ifndef PROC_SETTLE_H
#define PROC_SETTLE_H

#include "proc/seize.h"

/* Looks once at what a thread in SEIZE_RUNS does, and notes it. */
void settle_peek(struct seize *seize, size_t index,
		 struct seize_thread *thread);

/* What its kernel says of it, without taking that; waitid(2). */
bool settle_has_ended(const struct seize_thread *thread);

/* Gives back to the kernel a thread that has ended. */
void settle_bury(struct seize *seize, struct seize_thread *thread);

/* All have stopped or ended: true; false: until (clock_ns()) it was too late.
 */
bool settle_all(struct seize *seize, uint64_t until);

#endif
