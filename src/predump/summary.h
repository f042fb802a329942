// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What was done, for people or (--json) for a program: one line a copy, their
 * sum, and the command by which criu goes on.  To stdout, or to stderr where
 * that is the stream.
 */
#ifndef PREDUMP_SUMMARY_H
#define PREDUMP_SUMMARY_H

#include "predump/pace.h"
#include "predump/plan.h"
#include "predump/run.h"
#include "predump/totals.h"

struct summary_copy {
	struct copy_plan plan;
	struct totals totals;
};

struct summary {
	const struct plan *plan;
	struct summary_copy *copies;
	unsigned int nr; /* that were made */
	uint64_t file_bytes;
	struct blame blame;      /* of the one that failed */
	const struct pace *pace; /* NULL: it is known how many there are */
};

void summary_print(const struct summary *summary);

/* For json.h, too. */
struct totals summary_sum(const struct summary *summary);
/* A copy's directory or file; "stream" where that is stdout. */
const char *summary_name(const struct summary *summary, unsigned int copy);
/* The command by which criu builds on the last one; NULL when it cannot. */
const char *summary_continue(const struct summary *summary);
/* How long the final one has stopped the target; NULL: it is not made. */
const uint64_t *summary_downtime(const struct summary *summary);

#endif
