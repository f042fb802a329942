// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Processes that share the memory of a task without being its threads
 * (clone(2) with CLONE_VM): they would go on writing while it is stopped.
 * For seize.c alone.
 */
#ifndef PROC_SHARER_H
#define PROC_SHARER_H

#include "proc/seize.h"

/* Adds those that are not known yet as strays; -1 with errno. */
int sharers_add(struct seize *seize);

bool sharer_is(pid_t pid, pid_t other);

#endif
