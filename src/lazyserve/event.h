// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a userfaultfd tells (userfaultfd(2)): faults, which are only noted
 * here, and what the process does to its memory.
 *
 * While such an event is under way nothing can be put into the memory
 * (EAGAIN), and what was put in before it is in it: so the events of a read
 * come first, although the kernel gives the faults first.
 */
#ifndef LAZYSERVE_EVENT_H
#define LAZYSERVE_EVENT_H

#include "lazyserve/serve.h"

/* All that is there; false: there was nothing. */
bool event_read(struct serve *serve, struct memory *memory);

#endif
