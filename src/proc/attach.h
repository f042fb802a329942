// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The first half of a stop: finding the processes and threads of a seize and
 * attaching to them while they run.  For seize.c alone.
 */
#ifndef PROC_ATTACH_H
#define PROC_ATTACH_H

#include "proc/seize.h"

/* For loops over threads: tells the owner now and then that we are alive. */
static inline void attach_tick(const struct seize *seize, size_t nr)
{
	if (nr % 64 == 0 && seize->tick)
		seize->tick(seize->tick_of);
}

/* The task of that pid, new or known; NULL with ENOMEM. */
struct seize_task *attach_add_task(struct seize *seize, pid_t pid);

/*
 * Passes over all tasks, their threads and (in a tree) their children, until
 * one finds nothing new; then whatever is born later is attached by the
 * kernel.
 */
enum seize_result attach_all(struct seize *seize);

#endif
