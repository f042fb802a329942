// SPDX-License-Identifier: GPL-3.0-or-later
/* The part of a confinement that is about system calls: seccomp(2). */
#ifndef CONFINE_CALLS_H
#define CONFINE_CALLS_H

#include "confine/confine.h"

/* 1: it holds; 0: there is none here; -1 with errno.  Sets no_new_privs. */
int calls_confine(const struct confine *confine);

#endif
