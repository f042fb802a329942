// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The other host of --to, which ssh reaches, or what --ssh has in its place: a
 * command that takes a host and a line for the shell there.
 *
 * host_begin() logs in, where a password is asked for, and finds the programs;
 * each copy then has a connection of its own, which stands before the target
 * is stopped.  With OpenSSH they share that login (ControlMaster), which ends
 * with us.
 *
 * The shells there speak to us on stdout, in lines that begin with "pagepipe:";
 * others are a greeting, and passed over.
 */
#ifndef PREDUMP_HOST_H
#define PREDUMP_HOST_H

#include "predump/run.h"

struct shell {
	struct command command;
	struct run run;
	int in;  /* what it reads */
	int out; /* what it says; libpipeline waits for more than a line */
};

struct host {
	const struct plan *plan;
	struct shell login; /* which ends when nothing more can come in */
	bool there;
};

/* Nothing without --to; dies. plan learns by which socket ssh goes. */
void host_begin(struct host *host, struct plan *plan);
void host_end(struct host *host);
/* Removes the socket; also at exit(3). */
void host_undo(void);

/* A copy on its way there. */
struct receiver {
	const struct copy_plan *copy;
	struct shell shell; /* its in is for the stream; the caller closes it */
	int statuses[2];    /* of copy->remote, as wait(2) gives them */
};

/* False: it did not come about, and has ended. */
bool receiver_begin(struct receiver *receiver, const struct plan *plan,
		    const struct copy_plan *copy);
/* Waits until all has arrived, or not. */
void receiver_end(struct receiver *receiver);
/* What it adds to who is to blame. */
void receiver_blame(const struct receiver *receiver, struct blame *blame);
/* Is the copy there whole? */
bool receiver_is_whole(const struct receiver *receiver);

#endif
