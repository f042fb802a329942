// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which pages a process has written, by the kernel's soft-dirty bits (Linux
 * Documentation/admin-guide/mm/soft-dirty.rst): clearing them protects every
 * page, and the first write to one sets its bit again.  There is one set of
 * bits a process, and anybody may clear it; see the canary.
 *
 * A kernel without CONFIG_MEM_SOFT_DIRTY takes the clear all the same, and
 * does nothing.  -1 with errno as in procfs.h.
 */
#ifndef PROC_SOFTDIRTY_H
#define PROC_SOFTDIRTY_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <sys/types.h>

/* Tried on a page of our own; our own bits are cleared. */
bool softdirty_works(void);

/* Through a living thread. */
int softdirty_clear(pid_t pid, pid_t tid);

/* Of one page: 1 set, 0 clear or no page, -1. */
int softdirty_is_set(pid_t pid, pid_t tid, vaddr_t vaddr);

/*
 * Sets that of the canary (proc/tracker.h) by putting back a word that is
 * there.  Only while the target is stopped.  -1 also, EIO, if that changed
 * nothing.
 */
int softdirty_set(pid_t pid, pid_t tid, vaddr_t vaddr);

#endif
