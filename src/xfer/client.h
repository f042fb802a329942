// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A client that asks a page server for pages (`criu page-server --lazy-pages`,
 * `criu dump --lazy-pages`, or pageserve), to be driven by somebody else's
 * poll loop:
 *
 *   client_begin()                        once, with a connection
 *   client_ask(), as often as wanted      queued, and sent as far as it goes
 *   poll() with client_events()           of in; and of out, see there
 *   client_send()                         when out can be written
 *   client_next() until CLIENT_WAITS      when in can be read
 *   client_close(), then CLIENT_CLOSED    is the answer to it
 *   client_release()                      closes no descriptor
 *
 * Answers come in the order of the asking, one for each, and may hold fewer
 * pages than were asked for, the first ones: the others must be asked for
 * again.  No page at all: the server does not have the first one.  (CRIU's
 * server closes the connection instead.)
 *
 * Nothing blocks.  Memory is bounded: CLIENT_ASKED_MAX questions and the bytes
 * of one answer.  A server is not trusted: what is no answer to the oldest
 * question is CLIENT_BAD, and why says what is wrong.
 */
#ifndef XFER_CLIENT_H
#define XFER_CLIENT_H

#include "base/buf.h"
#include "xfer/message.h"

#define CLIENT_PAGES_MAX 1024 /* of one question */
#define CLIENT_ASKED_MAX 4096 /* questions without an answer */

struct client_question {
	uint32_t pid; /* in the task's own namespace, as images name it */
	uint32_t nr_pages;
	vaddr_t vaddr;
};

struct client_answer {
	struct client_question of;
	uint32_t nr_pages; /* from of.vaddr on */
	const char *data;  /* until the next call */
};

enum client_outcome {
	CLIENT_ANSWER,
	CLIENT_WAITS,  /* nothing whole has come yet */
	CLIENT_CLOSED, /* the server has acknowledged client_close() */
	CLIENT_ENDED,  /* the server has ended the connection instead */
	CLIENT_BAD,    /* it says what is no answer: why */
	CLIENT_ERROR,  /* errno */
};

struct client {
	int in, out; /* may be the same */
	enum message_form form;
	uint32_t page_size;
	struct buf sending;
	size_t sent; /* bytes of it */
	struct client_question *asked;
	size_t first, nr; /* of the ring */
	struct buf answer;
	size_t have; /* bytes of it */
	size_t need; /* bytes; 0: the head has not come yet */
	bool closing;
	const char *why;
};

/*
 * Makes both descriptors non-blocking; in and out may be one.  A form must be
 * given: a server cannot be asked which one it speaks.  -1 with errno.
 */
int client_begin(struct client *client, int in, int out, enum message_form form,
		 uint32_t page_size);
void client_release(struct client *client);

/*
 * 0; -1 with EAGAIN: too many questions wait for their answers; EINVAL: no
 * page, too many, or not at a page's beginning; or what writing failed with.
 */
int client_ask(struct client *client, const struct client_question *question);

/* Asks the server to end; after that nothing can be asked. */
int client_close(struct client *client);

/* POLLIN, and POLLOUT where there is something to send.  Where in and out are
 * two, each takes its part. */
short client_events(const struct client *client);
int client_send(struct client *client);

enum client_outcome client_next(struct client *client,
				struct client_answer *answer);

#endif
