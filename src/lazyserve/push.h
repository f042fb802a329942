// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which pages nobody waits for come next: those beside the last fault first,
 * in small pieces while there are faults, in larger ones the longer there are
 * none; then the memories in turn, those that fork has made last.
 */
#ifndef LAZYSERVE_PUSH_H
#define LAZYSERVE_PUSH_H

#include "lazyserve/serve.h"

/* There was a fault. */
void push_near(struct memory *memory, vaddr_t vaddr);

/* One piece; false: there is none that could be given now. */
bool push_piece(struct serve *serve);

#endif
