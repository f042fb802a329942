// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Runs commands as a pipeline, by libpipeline, and tells which of them is to
 * blame when it fails.  These functions die; commands that run then end by
 * themselves (guard.h).
 */
#ifndef PREDUMP_RUN_H
#define PREDUMP_RUN_H

#include "predump/plan.h"

struct pipeline;

struct run {
	const struct command *commands;
	int nr;
	struct pipeline *line;
	int watched[MAX_COMMANDS];
	int statuses[MAX_COMMANDS]; /* as wait(2) gives them */
};

/*
 * Where the first command reads from, and the last one writes to; or a
 * descriptor, which is closed.
 */
enum { RUN_FROM_STDIN = 0, RUN_TO_US = -1, RUN_TO_STDOUT = 1 };

void run_start(struct run *run, const struct command *commands, int nr, int in,
	       int out);
/* A line of RUN_TO_US's output; NULL: it has ended. */
const char *run_line(struct run *run);
void run_signal(struct run *run, int number);
void run_wait(struct run *run);

struct blame {
	const struct command *command; /* NULL: nobody */
	int status;
	int code; /* what predump ends with */
};

/*
 * The leftmost whose code is neither 2 nor 3, as these only tell that something
 * to the left or to the right has failed; else the leftmost with 2, which has
 * read bytes that were damaged on their way; else the rightmost with 3.
 */
struct blame run_blame(const struct run *run);
/* More of the same pipeline, to the right of all that was judged before. */
void run_blame_more(struct blame *blame, const struct command *command,
		    int status);
/* Has the last one done all of its work, in spite of the others? */
bool run_has_ended_well(const struct run *run);
/* "memread was killed by signal 9 (Killed)" */
const char *blame_text(const struct blame *blame);

#endif
