// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A tracker, memtrack(1), keeps the record of a target's rounds: what each
 * scan has reported as written.  Here it is asked, by a socket that is named
 * after a process that it tracks and serves its own user and root.
 *
 * -1 with errno: ECONNREFUSED when there is no tracker (any more), EACCES when
 * it is another user's, EPROTO when it says something else.
 */
#ifndef PROC_TRACKER_H
#define PROC_TRACKER_H

#include "vm/runlist.h"

#include <stdint.h>
#include <sys/types.h>

#define TRACKER_ID_SIZE 16

/* How writes are tracked; numbers as in pagestream.proto. */
enum tracker_method {
	TRACKER_NONE = 0,
	TRACKER_UFFD = 1,
	TRACKER_SOFT_DIRTY = 2,
};

/* Which round a new one shall build on. */
enum tracker_wish {
	TRACKER_LAST,
	TRACKER_FULL,
	TRACKER_GENERATION, /* of this tracker */
	TRACKER_DIRECTORY,  /* generation and id, as a directory has them */
	TRACKER_ADOPTED,    /* a directory that has none */
};

struct tracker_base {
	enum tracker_wish wish;
	uint64_t generation;
	uint8_t id[TRACKER_ID_SIZE];
};

/* Why a round has no base. */
enum tracker_full {
	TRACKER_HAS_BASE,
	TRACKER_FULL_FIRST,   /* there is no round yet */
	TRACKER_FULL_WANTED,  /* it was asked for */
	TRACKER_FULL_STRANGE, /* the base is of another tracker */
	TRACKER_FULL_OLD,     /* no record of it any more */
	TRACKER_FULL_LOST,    /* a round since then was lost */
};

struct tracker_round {
	enum tracker_method method;
	uint8_t id[TRACKER_ID_SIZE];
	uint64_t generation;
	uint64_t base; /* generation; 0: none */
	enum tracker_full why;
	uint64_t base_uptime_us; /* of an adopted base; else 0 */
};

/* Which program in which process. */
struct tracker_key {
	pid_t pid;
	uint64_t start_time;  /* clock ticks */
	uint64_t start_stack; /* vaddr; 0: not known */
};

/*
 * The canary is a page that the target hardly ever writes, the last one of
 * its first stack: it is made to count as written after each clear.  If it is
 * clean at the next scan, somebody else has cleared.
 */
struct tracker_task {
	struct tracker_key key;
	vaddr_t canary; /* 0: none */
	bool trusted;   /* no canary, but on the user's word */
	bool whole;     /* the report misses nothing since the round before */
	bool cleared;   /* a later round may build on this one */
	bool late_io;   /* input may be stored long after it was begun */
	struct runlist report;
	int uffd; /* from the tracker, to scan with; -1: none */
};

struct tracker_tasks {
	struct tracker_task *all;
	size_t nr;
};

struct tracker_status {
	uint8_t id[TRACKER_ID_SIZE];
	enum tracker_method method;
	uint64_t generation; /* the last one */
	uint64_t rounds;     /* in the record */
	uint64_t bytes;      /* that the record takes */
	pid_t pid;           /* the tracker's own */
};

/* The name of the socket for a process. */
#define TRACKER_NAME_SIZE 64
void tracker_name(char *name, pid_t pid, uint64_t start_time);

int tracker_connect(const char *name);

/*
 * Waits for its turn.  tasks: those that the record knows, whole if the round
 * may build on them, with the pages to send again; released by the caller.
 */
int tracker_open(int tracker, const struct tracker_base *base,
		 struct tracker_round *round, struct tracker_tasks *tasks);
int tracker_clear(int tracker);
int tracker_report(int tracker, const struct tracker_task *task);
int tracker_commit(int tracker);

/*
 * 1: round is this tracker's, and no later one was opened; 0: not so.  Takes
 * id and generation.
 */
int tracker_confirm(int tracker, const struct tracker_base *round);

int tracker_skipped(int tracker, uint64_t generation,
		    const struct tracker_task *task);
int tracker_status(int tracker, struct tracker_status *status);
/* And waits until it has, so that another can begin. */
int tracker_stop(int tracker);

/* Where the canary is, in the text of /proc/PID/maps; 0: there is none. */
vaddr_t canary_page(const char *maps);

bool tracker_key_is(const struct tracker_key *a, const struct tracker_key *b);

struct tracker_task *tracker_find(const struct tracker_tasks *tasks,
				  const struct tracker_key *key);
/* A new one, all zeros but for its key; NULL with ENOMEM. */
struct tracker_task *tracker_add(struct tracker_tasks *tasks,
				 const struct tracker_key *key);
void tracker_tasks_release(struct tracker_tasks *tasks);

#endif
