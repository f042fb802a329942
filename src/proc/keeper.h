// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keeper stops a target for as long as its owner looks at it, or holds
 * it until its releaser asks to let it run, and lets it run by itself as soon
 * as anything is wrong.  The kernel does so when the keeper dies; a keeper
 * that hangs, is stopped or starves is killed by its own timer (SIGKILL, 1 s),
 * which its loop pushes on.
 *
 * The loop never blocks: signals come by signalfd(2), output goes out in
 * pieces that a pipe with room takes at once (PIPE_BUF), sockets are
 * non-blocking.
 */
#ifndef PROC_KEEPER_H
#define PROC_KEEPER_H

#include "base/buf.h"
#include "proc/lease.h"
#include "proc/seize.h"

#include <time.h>

enum keeper_end {
	KEEPER_GOES_ON,
	KEEPER_RELEASED,      /* THAW came and was answered */
	KEEPER_NO_LEASE,      /* nobody to release, within wait_ns */
	KEEPER_LEASE_LOST,    /* the releaser went away */
	KEEPER_NOT_STOPPED,   /* see result; nothing is stopped */
	KEEPER_STALLED,       /* no beat within stall_ns */
	KEEPER_TOO_LONG,      /* max_stop_ns */
	KEEPER_SIGNALLED,     /* signal_number */
	KEEPER_READER_GONE,   /* nobody reads our output */
	KEEPER_TARGET_ENDED,  /* killed while stopped */
	KEEPER_NOT_SIGNALLED, /* could not be left stopped */
	KEEPER_ERROR,         /* errno */
};

#define KEEPER_PEERS 8

struct keeper {
	/* set by the owner */
	uint64_t wait_ns;     /* for the lease */
	uint64_t timeout_ns;  /* for all attempts to stop */
	uint64_t stall_ns;    /* between beats; 0: none expected */
	uint64_t max_stop_ns; /* 0: no bound */
	bool hold;            /* until THAW; or as the lease asks */
	bool leave_stopped;   /* by SIGSTOP, but only after a THAW */
	int out;              /* -1 when closed */
	/* refills pending when that is out; false: it was all, close out */
	bool (*more)(struct keeper *);
	void *more_of;

	char name[64]; /* of the socket */
	struct seize seize;
	struct buf pending; /* for out */
	size_t sent;

	int listener;
	int signals;
	int peers[KEEPER_PEERS]; /* -1: free */
	int lease;               /* one of peers, or -1 */
	timer_t deadman;
	bool armed;
	bool stopped;
	bool torn;           /* was to be stopped and was not, all the time */
	bool let_go;         /* runs by itself, whole */
	uint64_t uptime_us;  /* just before the stop */
	uint64_t stopped_ns; /* how long, once it runs again */
	uint64_t beat_ns;
	enum seize_result result;
	int signal_number;
	enum keeper_end end;
};

/* Blocks the signals, opens the socket and makes the timer; -1 with errno. */
int keeper_open(struct keeper *keeper);

/* Each until it has succeeded (KEEPER_GOES_ON) or failed. */
enum keeper_end keeper_send(struct keeper *keeper);
enum keeper_end keeper_wait_lease(struct keeper *keeper);
enum keeper_end keeper_stop(struct keeper *keeper);
/* What is to be seen has been seen: lets the target run, unless it is held. */
void keeper_let_go(struct keeper *keeper);
/* Until the releaser has its answer: never KEEPER_GOES_ON. */
enum keeper_end keeper_serve(struct keeper *keeper);

/* Whatever happened, the target runs afterwards. */
void keeper_thaw(struct keeper *keeper);

#endif
