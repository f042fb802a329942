// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The record of rounds: what each scan has reported as written, task by task.
 * A round on base G sends again every page that any scan from G's own on has
 * reported: I/O that had pinned a page before a scan writes it afterwards,
 * which no page table shows; so what the base's own scan reported counts too,
 * and for a task with late I/O all that was still under way when the base was
 * read.
 *
 * At most one round is open at a time.  Old rounds are dropped when the
 * reports take more than RECORD_BYTES; who asks for one gets a full round.
 * These functions die for want of memory; they belong to memtrack.
 */
#ifndef MEMTRACK_RECORD_H
#define MEMTRACK_RECORD_H

#include "proc/tracker.h"

#define RECORD_BYTES (8u << 20)

enum round_state {
	ROUND_OPEN,    /* nothing has been cleared */
	ROUND_CLEARED, /* and no report has come */
	ROUND_WHOLE,
	ROUND_LOST,
};

struct recorded_round {
	uint64_t generation;
	enum round_state state;
	uint64_t opened_ns; /* clock_ns() */
	uint64_t made_ns;   /* the same, when its report was whole */
	struct tracker_tasks tasks;
};

struct record {
	uint8_t id[TRACKER_ID_SIZE];
	enum tracker_method method;
	uint32_t page_size;
	uint64_t generation; /* the last one given */
	struct recorded_round *rounds;
	size_t nr;
	/* a directory that was adopted as generation 1 */
	uint64_t adopted_uptime_us; /* 0: none */
	struct tracker_base adopted;
};

void record_begin(struct record *record, enum tracker_method method);

/*
 * Opens a round on that base, or a full one; tasks gets all that are known,
 * those whole that may be built upon, with the pages to send again.
 */
void record_open(struct record *record, const struct tracker_base *base,
		 struct tracker_round *round, struct tracker_tasks *tasks);

/* The round that is open; NULL: none. */
struct recorded_round *record_now(struct record *record);

void record_clear(struct record *record);
/* What the scan has reported goes into record_now()->tasks before. */
void record_commit(struct record *record);
/* Whoever made it has gone. */
void record_abandon(struct record *record);

/* Pages that the round was to have, and nobody has. */
void record_skip(struct record *record, uint64_t generation,
		 const struct tracker_task *skipped);

/* What the reports take. */
uint64_t record_bytes(const struct record *record);

#endif
