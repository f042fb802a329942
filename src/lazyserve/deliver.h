// SPDX-License-Identifier: GPL-3.0-or-later
/* Pages are wished for, arrive, and are put in place. */
#ifndef LAZYSERVE_DELIVER_H
#define LAZYSERVE_DELIVER_H

#include "lazyserve/serve.h"

/* False: the source has no room for it now. */
bool deliver_wish(struct serve *serve, struct memory *memory,
		  const struct left_piece *piece, bool urgent);

/* All that has arrived. */
void deliver_arrivals(struct serve *serve, struct source *source);

/* Zeros, for a fault that no image knows about. */
void deliver_zeros(struct serve *serve, struct memory *memory, vaddr_t vaddr);

#endif
