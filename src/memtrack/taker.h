// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Takes a userfaultfd from a process, by a child of our own: when a thread
 * does not stop, or anything else goes wrong, that child just ends, and the
 * kernel lets the target run on.  As uffd_take(); ECHILD: the child was
 * killed.
 */
#ifndef MEMTRACK_TAKER_H
#define MEMTRACK_TAKER_H

#include <sys/types.h>

int taker_take(pid_t pid);

#endif
