// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The one loop: who connects, what the sessions say, signals and time limits.
 * Sessions take turns; none waits for another.  These functions die.
 */
#ifndef PAGESERVE_SERVER_H
#define PAGESERVE_SERVER_H

#include "pageserve/session.h"

#define SERVER_SESSIONS 32 /* at a time; who comes then waits */

struct server {
	struct session_setup setup;
	int listener;      /* -1: there is none, or none any more */
	bool once;         /* one session, and end with it */
	uint64_t limit_ns; /* 0: none */
	struct session *sessions[SERVER_SESSIONS];
	size_t nr;
	struct session *sender;
	struct store store;
	int signals;
	bool stops;
	bool failed; /* a session has */
};

/* Signals wait from here on. */
void server_begin(struct server *server);

/* A connection that is there already. */
void server_take(struct server *server, int in, int out, const char *name);

void server_run(struct server *server);

#endif
