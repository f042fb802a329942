// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The target and its descendants, for one purpose: when a last round with
 * --leave-stopped fails behind memread, what it has stopped runs on, and what
 * was stopped before does not.
 */
#ifndef PREDUMP_TREE_H
#define PREDUMP_TREE_H

#include "base/buf.h"

#include <sys/types.h>

/* The pids, appended to out, of those that SIGSTOP has stopped. */
void tree_stopped(pid_t pid, struct buf *out);

/* SIGCONT to all of the tree that are not in before. */
void tree_continue(pid_t pid, const struct buf *before);

#endif
