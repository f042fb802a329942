// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What passes between a tracker and those who ask it: packets of a SEQPACKET
 * socket of the abstract namespace.  Both sides are on this machine and of one
 * version, so packets are structs.
 *
 * A round, which vmalist makes on one connection:
 *
 *   vmalist    OPEN (base)       waits until no other round is open
 *   tracker    ROUND, then TASK RUNS... for each task that it knows,
 *              and DONE
 *   vmalist    CLEAR             from here on the record depends on us
 *   vmalist    TASK RUNS... for each, and COMMIT
 *   tracker    YES
 *
 * A connection that closes behind CLEAR and before COMMIT is a lost round:
 * nothing is built any more on what was before it.
 *
 *   CONFIRM    is this round yours, and no later one opened?  YES or NO
 *   SKIPPED    TASK RUNS...: pages of this round that nobody has
 *   STATUS, STOP
 *
 * -1 with errno; EPROTO for a packet that makes no sense.
 */
#ifndef PROC_TRACKER_WIRE_H
#define PROC_TRACKER_WIRE_H

#include "proc/tracker.h"

#define TRACKER_VERSION  2
#define TRACKER_RUNS_MAX 2048 /* in one packet */

enum tracker_verb {
	TRACKER_OPEN = 1,
	TRACKER_ROUND,
	TRACKER_TASK,
	TRACKER_RUNS,
	TRACKER_DONE,
	TRACKER_CLEAR,
	TRACKER_COMMIT,
	TRACKER_CONFIRM,
	TRACKER_SKIPPED,
	TRACKER_STATUS,
	TRACKER_STOP,
	TRACKER_YES,
	TRACKER_NO,
};

struct tracker_packet {
	uint32_t verb;
	uint32_t nr_runs; /* that follow */
	union {
		struct {
			uint32_t version;
			struct tracker_base base;
		} open;
		struct tracker_round round;
		struct {
			struct tracker_key key;
			vaddr_t canary;
			uint8_t trusted;
			uint8_t whole;
			uint8_t cleared;
			uint8_t late_io;
		} task;
		struct tracker_status status;
		uint64_t generation;
	};
};

struct tracker_message {
	struct tracker_packet packet;
	int fd; /* that came along; -1: none */
	struct run runs[TRACKER_RUNS_MAX];
};

int tracker_send(int fd, const struct tracker_packet *packet,
		 const struct run *runs);
/* TASK with its uffd, and its report in RUNS. */
int tracker_send_task(int fd, const struct tracker_task *task);

/* 1 with a packet, which is to be forgotten; 0 at the end. */
int tracker_receive(int fd, struct tracker_message *message);
/* Closes the descriptor that came along, if nobody has taken it. */
void tracker_forget(struct tracker_message *message);

/* Adds what a TASK or RUNS packet says to tasks, with its descriptor. */
int tracker_take(struct tracker_tasks *tasks, struct tracker_message *message,
		 uint32_t page_size);

#endif
