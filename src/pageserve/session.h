// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One client, from its first byte to its end: what it sends goes into an
 * inbox, what it asks for comes out of the store.  Driven by the server's poll
 * loop; nothing here blocks but the disk.
 *
 * Memory is bounded: a head, and answers up to SESSION_ANSWERS bytes and one
 * more.  While those wait to be taken, no more questions are read.
 *
 * A client that owes something (its first message, the rest of one, the rest of
 * what it has begun to send, the taking of an answer, the end of the connection
 * after CLOSE) has the time limit for each piece of it; one that only asks may
 * be silent between two questions.
 */
#ifndef PAGESERVE_SESSION_H
#define PAGESERVE_SESSION_H

#include "pageserve/inbox.h"
#include "pageserve/store.h"

#include "base/buf.h"

#define SESSION_PAGES_MAX 1024      /* of one answer; criu asks for no more */
#define SESSION_ANSWERS   (1 << 20) /* bytes */

enum session_state {
	SESSION_HEAD,
	SESSION_DATA,
	SESSION_CLOSING, /* the client has closed, and has been answered */
	SESSION_OVER,
};

struct session {
	int in, out; /* may be the same */
	char name[80];
	uint32_t page_size;
	struct store *store;
	struct session **sender; /* who fills DIR now, of all sessions */
	enum session_state state;
	enum message_form form; /* unknown: by the first message */
	char head[MESSAGE_MAX];
	size_t have;    /* bytes of it */
	bool greeted;   /* a whole message has come */
	bool failed;    /* fault says why */
	uint64_t due;   /* bytes of pages */
	uint64_t moved; /* bytes, both ways: it lives */
	struct buf sending;
	size_t sent; /* bytes of it */
	struct inbox inbox;
	struct fault fault;
	uint64_t since_ns; /* when it last moved */
	/* served */
	uint64_t nr_questions, nr_pages;
	uint64_t nr_lacking; /* questions */
};

struct session_setup {
	const char *path;
	const char *previous; /* NULL: none */
	enum message_form form;
	uint32_t page_size;
	struct store *store;
	struct session **sender;
};

/* Takes both descriptors, and closes them in the end.  NULL with errno. */
struct session *session_begin(const struct session_setup *setup, int in,
			      int out);

/* For poll(), of in and of out; 0: neither. */
short session_wants(const struct session *session);
bool session_is_over(const struct session *session);
void session_turn(struct session *session, short events);

/* When its time is over; UINT64_MAX: never. */
uint64_t session_deadline(const struct session *session, uint64_t limit_ns);
void session_expire(struct session *session);
/* The server ends. */
void session_break(struct session *session);

/* Says what it was; true if it ended as it should. */
bool session_end(struct session *session);

#endif
