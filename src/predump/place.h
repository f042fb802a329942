// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where the copies go: the directory of the rounds, or the file of a stream.
 * Whole or not at all: a file has no name before place_commit(), and a
 * directory that is still empty when we fail is removed again.  These functions
 * die.
 */
#ifndef PREDUMP_PLACE_H
#define PREDUMP_PLACE_H

#include "predump/plan.h"

/* A descriptor for the last command: RUN_TO_STDOUT, or the file. */
int place_open(const struct plan *plan);
/* Removes what is not whole; also at exit(3). */
void place_undo(void);
/* The whole stream is in the file.  Its size in bytes; 0 for what is none. */
uint64_t place_commit(void);

#endif
