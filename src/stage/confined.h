// SPDX-License-Identifier: GPL-3.0-or-later
/* How a tool confines itself (confine/confine.h), and says with -v how far. */
#ifndef STAGE_CONFINED_H
#define STAGE_CONFINED_H

#include "confine/confine.h"

/* Below that descriptor, -1: there is none.  These die. */
void confined_dir(struct confine *confine, int fd, unsigned deeds);
/* Gives up, and frees what confine has. */
void confined_begin(struct confine *confine);

#endif
