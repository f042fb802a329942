// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tracker's socket: answers those who make rounds (proc/tracker_wire.h)
 * until the targets have ended or it is told to stop.  These functions die.
 */
#ifndef MEMTRACK_SERVER_H
#define MEMTRACK_SERVER_H

#include "memtrack/arm.h"
#include "memtrack/record.h"

#include "base/buf.h"

struct peer {
	int fd;
	bool waits; /* for its turn, with base */
	struct tracker_base base;
	uint64_t skipped_of; /* generation; 0: no SKIPPED packet yet */
	struct tracker_tasks skipped;
};

#define SERVER_PEERS 64

struct server {
	struct record *record;
	struct armed armed;
	struct buf listeners; /* int, one a named process */
	struct buf targets;   /* int, their pidfds */
	struct peer peers[SERVER_PEERS];
	size_t nr_peers;
	int maker; /* of the open round: a peer's descriptor, or -1 */
	int signals;
	bool stops;
};

void server_begin(struct server *server, struct record *record);

/* Tracks a named process: its socket, and its end. */
void server_name(struct server *server, pid_t pid);

void server_run(struct server *server);

#endif
