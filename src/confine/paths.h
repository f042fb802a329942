// SPDX-License-Identifier: GPL-3.0-or-later
/* The part of a confinement that is about paths: landlock(7). */
#ifndef CONFINE_PATHS_H
#define CONFINE_PATHS_H

#include "confine/confine.h"

/* 1: it holds; 0: there is none here; -1 with errno.  Needs no_new_privs. */
int paths_confine(const struct confine *confine);

#endif
