// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keeper's socket, an abstract unix SEQPACKET one, and its client side.
 * A request is one packet, and so is its answer; both of this machine, in
 * its own byte order.
 *
 *   TAKE     asks to be the releaser; granted once.  The connection is the
 *            lease: when it closes, the target runs.
 *   THAW     lets the target run; answered, when it runs, with how long it
 *            was stopped.
 *   BEAT     the releaser of a consistent copy still works; no answer.
 *   STATUS   from anybody: was the target stopped all the time?
 */
#ifndef PROC_LEASE_H
#define PROC_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lease_verb {
	LEASE_TAKE = 1,
	LEASE_THAW = 2,
	LEASE_BEAT = 3,
	LEASE_STATUS = 4,
};

enum lease_answer {
	LEASE_YES = 1,
	LEASE_NO = 2, /* TAKE: another has it; STATUS: it ran */
};

enum lease_stop {
	LEASE_BRIEF = 0, /* the keeper lets the target run by itself */
	LEASE_HOLD = 1,  /* it stays stopped until THAW */
};

struct lease_packet {
	uint32_t verb; /* enum lease_verb, or lease_answer */
	uint32_t zero;
	uint64_t value; /* TAKE: enum lease_stop; to THAW: nanoseconds */
};

/*
 * A descriptor, or -1: ECONNREFUSED when the keeper has gone, EACCES when it
 * does not serve this user, EBUSY when another is the releaser.
 */
int lease_take(const char *name, enum lease_stop stop);

/* To ask lease_is_stopped() alone: a descriptor, or -1. */
int lease_watch(const char *name);

/* 0 once the target runs; -1 with ECONNRESET when the keeper had let it run
 * before. */
int lease_thaw(int lease, uint64_t *stopped_ns);

/* -1 with EPIPE when the keeper has gone. */
int lease_beat(int lease);

/* Was it stopped all the time until now? */
bool lease_is_stopped(int lease);

#endif
