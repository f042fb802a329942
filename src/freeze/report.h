// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What freeze writes of the processes that it stops: HELLO before the stop,
 * then TASK, MAPS and END.  These functions die, the target running.
 */
#ifndef FREEZE_REPORT_H
#define FREEZE_REPORT_H

#include "proc/keeper.h"
#include "stage/stage.h"

struct report {
	struct keeper *keeper; /* whose output this is */
	struct stream_writer writer;
	struct buf maps; /* the texts of all tasks, one after another */
	size_t *ends;    /* in maps, one a subject */
	uint32_t nr_subjects;
	uint32_t subject; /* whose text is being sent */
	size_t sent;      /* of maps */
	bool ended;
};

/* Gets memory, so that none is needed while the target is stopped. */
void report_begin(struct report *report, struct keeper *keeper);

void report_hello(struct report *report, bool consistent);

/* All that has to be seen while the target is stopped: the text of its maps. */
void report_look(struct report *report);

/* TASK for each; the keeper's loop has the rest of it as there is room. */
void report_tasks(struct report *report);

#endif
