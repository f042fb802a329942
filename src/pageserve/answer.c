// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/answer.h"

#include "base/die.h"

#include <inttypes.h>

static int put(struct session *session, const void *data, size_t size)
{
	return buf_append(&session->sending, data, size) < 0
		       ? fault_errno(&session->fault, "no answer can be made")
		       : 0;
}

/* --- what it sends --- */

/* Two at once would fill DIR each with half of it. */
static int take_inbox(struct session *session)
{
	struct session **sender = session->sender;

	if (*sender && *sender != session)
		return fault_set(&session->fault,
				 "%s is sending already: one at a time",
				 (*sender)->name);
	*sender = session;
	return 0;
}

static int open_image(struct session *session, const struct message *message)
{
	char has_parent;

	if (take_inbox(session) < 0 ||
	    inbox_open(&session->inbox, message->dst_id) < 0)
		return -1;
	has_parent = (char)session->inbox.has_parent;
	if (message->command == MESSAGE_OPEN) /* of old, without an answer */
		return 0;
	return put(session, &has_parent, sizeof(has_parent));
}

static int look_for_parent(struct session *session,
			   const struct message *message)
{
	int32_t there;

	if (take_inbox(session) < 0)
		return -1;
	there = inbox_asks_parent(&session->inbox, message->dst_id);
	return there < 0 ? -1 : put(session, &there, sizeof(there));
}

static int add_pages(struct session *session, const struct message *message)
{
	if (inbox_add(&session->inbox, message, &session->due) < 0)
		return -1;
	if (session->due)
		session->state = SESSION_DATA;
	return 0;
}

/* A status that is not 0 is what criu fails by. */
static int close_session(struct session *session, const struct message *message)
{
	int32_t status = inbox_commit(&session->inbox);

	if (put(session, &status, sizeof(status)) < 0)
		return -1;
	session->state = SESSION_CLOSING;
	if (message->command == MESSAGE_FORCE_CLOSE)
		session->state = SESSION_OVER; /* nobody closes it */
	if (status < 0)
		return -1;
	inbox_release(&session->inbox);
	if (*session->sender == session)
		*session->sender = NULL;
	return 0;
}

/* --- what it asks for --- */

static int check_question(struct session *session,
			  const struct message *message)
{
	uint64_t most = (UINT64_MAX - message->vaddr) / session->page_size;

	if (message->nr_pages && message->nr_pages <= most &&
	    message->vaddr % session->page_size == 0 &&
	    message->dst_id <= INT32_MAX)
		return 0;
	return fault_set(&session->fault,
			 "it asks for %" PRIu64 " pages of pid %" PRIu64
			 " at 0x%" PRIx64 ", which cannot be",
			 message->nr_pages, message->dst_id, message->vaddr);
}

/* At once, since a criu that waits for it does not end the session. */
static void note_lacking(struct session *session, const struct message *message)
{
	if (!session->nr_lacking++)
		complain("%s: it asks for the page at 0x%" PRIx64
			 " of pid %" PRIu64 ", which is not here",
			 session->name, message->vaddr, message->dst_id);
}

/*
 * In the session's room for answers.  A page that is not here is answered by
 * no page: a client of ours goes on.  criu's waits for the bytes, and fails at
 * the next answer; the end of the connection would not be better for it.
 */
static int answer_question(struct session *session,
			   const struct message *message)
{
	struct message answer = *message;
	struct buf *sending = &session->sending;
	uint64_t most = message->nr_pages < SESSION_PAGES_MAX
				? message->nr_pages
				: SESSION_PAGES_MAX;
	int64_t nr;

	if (buf_reserve(sending, session->form + most * session->page_size) < 0)
		return fault_errno(&session->fault, "no answer can be made");
	nr = store_read(
		session->store, (uint32_t)message->dst_id, message->vaddr, most,
		sending->data + sending->size + session->form, &session->fault);
	if (nr < 0)
		return -1;
	answer.command = MESSAGE_ADD_F;
	answer.flags = nr ? MESSAGE_PRESENT : 0;
	answer.nr_pages = (uint64_t)nr;
	sending->size += message_encode(session->form, &answer,
					sending->data + sending->size);
	sending->size += (uint64_t)nr * session->page_size;
	session->nr_questions++;
	session->nr_pages += (uint64_t)nr;
	if (!nr)
		note_lacking(session, message);
	return 0;
}

static int answer_get(struct session *session, const struct message *message)
{
	if (check_question(session, message) < 0)
		return -1;
	return answer_question(session, message);
}

int answer_head(struct session *session)
{
	struct message message;

	message_decode(session->form, session->head, &message);
	switch (message.command) {
	case MESSAGE_OPEN:
	case MESSAGE_OPEN2:
		return open_image(session, &message);
	case MESSAGE_PARENT:
		return look_for_parent(session, &message);
	case MESSAGE_ADD:
	case MESSAGE_ADD_F:
	case MESSAGE_HOLE:
		return add_pages(session, &message);
	case MESSAGE_GET:
		return answer_get(session, &message);
	case MESSAGE_CLOSE:
	case MESSAGE_FORCE_CLOSE:
		return close_session(session, &message);
	default:
		return fault_set(&session->fault,
				 "a command that is not known: %" PRIu32
				 " (is it criu?)",
				 message.command);
	}
}
