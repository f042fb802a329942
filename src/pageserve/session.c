// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/session.h"

#include "pageserve/answer.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_MAX 64        /* before others have their turn */
#define PIECE     (1 << 20) /* bytes of pages */
#define REST_MAX  64        /* bytes behind CLOSE: 8 of the longer form */

static int unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct session *session_begin(const struct session_setup *setup, int in,
			      int out)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session || unblock(in) < 0 || unblock(out) < 0) {
		free(session);
		return NULL;
	}
	session->in = in;
	session->out = out;
	session->page_size = setup->page_size;
	session->store = setup->store;
	session->sender = setup->sender;
	session->form = setup->form;
	session->since_ns = clock_ns();
	session->inbox = (struct inbox){
		.path = setup->path,
		.previous = setup->previous,
		.page_size = setup->page_size,
		.fault = &session->fault,
		.parent = -1,
	};
	return session;
}

static void fail(struct session *session)
{
	session->failed = true;
	session->state = SESSION_OVER;
}

/* --- sending --- */

static bool is_sending(const struct session *session)
{
	return session->sent < session->sending.size;
}

/* What is sent goes when it is much: somebody slow may never take all. */
static int tidy(struct session *session)
{
	struct buf *sending = &session->sending;

	if (session->sent < SESSION_ANSWERS)
		return 0;
	sending->size -= session->sent;
	memmove(sending->data, sending->data + session->sent, sending->size);
	session->sent = 0;
	return 0;
}

static int send_some(struct session *session)
{
	struct buf *sending = &session->sending;

	while (is_sending(session)) {
		ssize_t n = write(session->out, sending->data + session->sent,
				  sending->size - session->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return tidy(session);
		if (n < 0 && session->failed)
			return -1; /* by something else, before */
		if (n < 0)
			return fault_errno(&session->fault,
					   "it takes no answer");
		session->sent += (size_t)n;
		session->moved += (uint64_t)n;
	}
	sending->size = 0;
	session->sent = 0;
	return 0;
}

/* --- receiving --- */

/* Bytes; 0: none now, or the end, which is -1 in *end. */
static ssize_t take(struct session *session, char *data, size_t size, bool *end)
{
	ssize_t n;

	do
		n = read(session->in, data, size);
	while (n < 0 && errno == EINTR);
	*end = n == 0;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return fault_errno(&session->fault, "reading");
	session->moved += (uint64_t)n;
	return n;
}

/* As far as can be read without waiting for what may never come. */
static size_t head_size(const struct session *session)
{
	return session->form ? session->form : MESSAGE_FORM_24;
}

static int end_of_input(struct session *session)
{
	session->state = SESSION_OVER;
	if (session->have || session->due)
		return fault_set(&session->fault,
				 "it has ended within a message");
	if (session->inbox.begun)
		return fault_set(&session->fault,
				 "it has ended without closing its session");
	return 0;
}

/* 1 with some bytes, 0 without, -1. */
static int read_head(struct session *session)
{
	bool end;
	ssize_t n = take(session, session->head + session->have,
			 head_size(session) - session->have, &end);

	if (end)
		return end_of_input(session);
	if (n <= 0)
		return (int)n;
	session->have += (size_t)n;
	if (session->have == MESSAGE_FORM_24 && !session->form)
		session->form = message_recognise(session->head);
	if (session->have < head_size(session))
		return 1;
	session->have = 0;
	session->greeted = true;
	return answer_head(session) < 0 ? -1 : 1;
}

static int read_data(struct session *session)
{
	static char data[PIECE];
	uint64_t size =
		session->due < sizeof(data) ? session->due : sizeof(data);
	bool end;
	ssize_t n = take(session, data, size, &end);

	if (end)
		return end_of_input(session);
	if (n <= 0)
		return (int)n;
	if (inbox_data(&session->inbox, data, (size_t)n) < 0)
		return -1;
	session->due -= (uint64_t)n;
	if (!session->due)
		session->state = SESSION_HEAD;
	return 1;
}

/* Unread bytes would make our end of the connection a reset of it. */
static int read_rest(struct session *session)
{
	bool end;
	ssize_t n = take(session, session->head, sizeof(session->head), &end);

	if (end)
		session->state = SESSION_OVER;
	if (n <= 0)
		return (int)n;
	session->have += (size_t)n;
	return session->have > REST_MAX
		       ? fault_set(&session->fault,
				   "it goes on after closing its session")
		       : 1;
}

static int read_some(struct session *session)
{
	switch (session->state) {
	case SESSION_HEAD:
		return read_head(session);
	case SESSION_DATA:
		return read_data(session);
	case SESSION_CLOSING:
		return read_rest(session);
	case SESSION_OVER:
		break;
	}
	return 0;
}

static bool has_room(const struct session *session)
{
	return session->sending.size - session->sent < SESSION_ANSWERS;
}

short session_wants(const struct session *session)
{
	bool reads = session->state != SESSION_OVER && has_room(session);

	return (short)((reads ? POLLIN : 0) |
		       (is_sending(session) ? POLLOUT : 0));
}

bool session_is_over(const struct session *session)
{
	return session->failed ||
	       (session->state == SESSION_OVER && !is_sending(session));
}

void session_turn(struct session *session, short events)
{
	uint64_t moved = session->moved;
	int result = 1;

	for (int i = 0; i < STEPS_MAX && result > 0 && has_room(session) &&
			events & POLLIN;
	     i++)
		result = read_some(session);
	if (result < 0)
		fail(session);
	if (send_some(session) < 0)
		fail(session);
	if (session->moved != moved)
		session->since_ns = clock_ns();
}

/* --- time --- */

uint64_t session_deadline(const struct session *session, uint64_t limit_ns)
{
	bool owes = !session->greeted || session->have ||
		    session->inbox.begun || is_sending(session) ||
		    session->state == SESSION_CLOSING;

	return owes && limit_ns ? session->since_ns + limit_ns : UINT64_MAX;
}

void session_expire(struct session *session)
{
	if (session->state == SESSION_CLOSING && !is_sending(session)) {
		session->state = SESSION_OVER; /* everything is said */
		return;
	}
	fault_set(&session->fault,
		  is_sending(session) ? "it takes no answer for too long"
		  : session->greeted  ? "it says nothing for too long"
				      : "it has said nothing at all");
	fail(session);
}

void session_break(struct session *session)
{
	if (!session->inbox.begun && !session->due)
		return;
	fault_set(&session->fault, "pageserve is to end");
	fail(session);
}

/* --- the end --- */

static void say_received(const struct session *session)
{
	const struct inbox *inbox = &session->inbox;

	warn("%s: received %" PRIu64 " images, %" PRIu64 " pages (%s), %" PRIu64
	     " left to the parent: kept in %s",
	     session->name, inbox->nr_images, inbox->nr_pages,
	     num_bytes(inbox->nr_pages * session->page_size).text,
	     inbox->nr_parent, inbox->path);
}

static void say_served(const struct session *session)
{
	warn("%s: served %" PRIu64 " pages (%s) in %" PRIu64 " answers",
	     session->name, session->nr_pages,
	     num_bytes(session->nr_pages * session->page_size).text,
	     session->nr_questions);
	if (session->nr_lacking > 1)
		complain("%s: %" PRIu64 " times it has asked for what is not "
			 "here",
			 session->name, session->nr_lacking);
}

static void say_end(const struct session *session, bool thrown_away)
{
	bool kept = session->inbox.nr_images && !thrown_away;

	if (session->failed)
		complain("%s: %s%s", session->name, session->fault.text,
			 thrown_away ? ": what it sent is thrown away" : "");
	if (kept)
		say_received(session);
	if (session->nr_questions)
		say_served(session);
	else if (!session->failed && !kept)
		warn("%s: asked for nothing, and sent nothing", session->name);
}

bool session_end(struct session *session)
{
	bool good = !session->failed;
	bool thrown_away = session->inbox.begun && session->inbox.nr_images;

	if (*session->sender == session)
		*session->sender = NULL;
	inbox_release(&session->inbox);
	close(session->in);
	if (session->out != session->in)
		close(session->out);
	say_end(session, thrown_away);
	buf_release(&session->sending);
	free(session);
	return good;
}
