// SPDX-License-Identifier: GPL-3.0-or-later
#include "xfer/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_SIZE 4 /* bytes, of the answer to CLOSE */

static int unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int client_begin(struct client *client, int in, int out, enum message_form form,
		 uint32_t page_size)
{
	*client = (struct client){
		.in = in, .out = out, .form = form, .page_size = page_size};
	if (unblock(in) < 0 || unblock(out) < 0)
		return -1;
	client->asked = calloc(CLIENT_ASKED_MAX, sizeof(*client->asked));
	return client->asked ? 0 : -1;
}

void client_release(struct client *client)
{
	buf_release(&client->sending);
	buf_release(&client->answer);
	free(client->asked);
	*client = (struct client){.in = -1, .out = -1};
}

/* --- asking --- */

/* What is sent makes room for what comes. */
static int tidy(struct client *client)
{
	struct buf *sending = &client->sending;

	sending->size -= client->sent;
	memmove(sending->data, sending->data + client->sent, sending->size);
	client->sent = 0;
	return 0;
}

int client_send(struct client *client)
{
	struct buf *sending = &client->sending;

	while (client->sent < sending->size) {
		ssize_t n = write(client->out, sending->data + client->sent,
				  sending->size - client->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? tidy(client) : -1;
		client->sent += (size_t)n;
	}
	sending->size = 0;
	client->sent = 0;
	return 0;
}

short client_events(const struct client *client)
{
	return client->sent < client->sending.size ? POLLIN | POLLOUT : POLLIN;
}

static int put(struct client *client, const struct message *message)
{
	char head[MESSAGE_MAX];
	size_t size = message_encode(client->form, message, head);

	if (buf_append(&client->sending, head, size) < 0)
		return -1;
	return client_send(client);
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

int client_ask(struct client *client, const struct client_question *question)
{
	struct message message = {
		.command = MESSAGE_GET,
		.nr_pages = question->nr_pages,
		.vaddr = question->vaddr,
		.dst_id = question->pid,
	};

	if (client->closing || !question->nr_pages ||
	    question->nr_pages > CLIENT_PAGES_MAX ||
	    question->vaddr % client->page_size)
		return refuse(EINVAL);
	if (client->nr == CLIENT_ASKED_MAX)
		return refuse(EAGAIN);
	client->asked[(client->first + client->nr) % CLIENT_ASKED_MAX] =
		*question;
	client->nr++;
	return put(client, &message);
}

int client_close(struct client *client)
{
	struct message message = {.command = MESSAGE_CLOSE};

	if (client->closing)
		return 0;
	client->closing = true;
	return put(client, &message);
}

/* --- answers --- */

static enum client_outcome bad(struct client *client, const char *why)
{
	client->why = why;
	return CLIENT_BAD;
}

/* CLIENT_ANSWER when size bytes of the answer are there. */
static enum client_outcome fill(struct client *client, size_t size)
{
	struct buf *answer = &client->answer;

	if (answer->room < size && buf_reserve(answer, size) < 0)
		return CLIENT_ERROR;
	while (client->have < size) {
		ssize_t n = read(client->in, answer->data + client->have,
				 size - client->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? CLIENT_WAITS : CLIENT_ERROR;
		if (n == 0)
			return CLIENT_ENDED;
		client->have += (size_t)n;
	}
	return CLIENT_ANSWER;
}

static enum client_outcome check_head(struct client *client,
				      const struct message *message)
{
	const struct client_question *question = &client->asked[client->first];

	if (message->command != MESSAGE_ADD_F)
		return bad(client, "its answer is not one to a question for "
				   "pages (does it speak the other protocol?)");
	if (message->dst_id != question->pid ||
	    message->vaddr != question->vaddr)
		return bad(client, "its answer is to another question");
	if (message->nr_pages > question->nr_pages)
		return bad(client, "its answer has more pages than were asked "
				   "for");
	if (message->nr_pages && message->flags != MESSAGE_PRESENT)
		return bad(client, "its answer has flags that say nothing");
	return CLIENT_ANSWER;
}

static enum client_outcome take_head(struct client *client)
{
	enum client_outcome outcome = fill(client, client->form);
	struct message message;

	if (outcome != CLIENT_ANSWER)
		return outcome;
	message_decode(client->form, client->answer.data, &message);
	outcome = check_head(client, &message);
	client->need = client->form + message.nr_pages * client->page_size;
	return outcome;
}

static enum client_outcome take_status(struct client *client)
{
	enum client_outcome outcome = fill(client, STATUS_SIZE);
	int32_t status;

	if (outcome != CLIENT_ANSWER)
		return outcome;
	memcpy(&status, client->answer.data, sizeof(status));
	return status ? bad(client, "it says that the session has failed")
		      : CLIENT_CLOSED;
}

static void give(struct client *client, struct client_answer *answer)
{
	answer->of = client->asked[client->first];
	answer->nr_pages =
		(uint32_t)((client->need - client->form) / client->page_size);
	answer->data = client->answer.data + client->form;
	client->first = (client->first + 1) % CLIENT_ASKED_MAX;
	client->nr--;
	client->have = 0;
	client->need = 0;
}

static enum client_outcome take_unasked(struct client *client)
{
	enum client_outcome outcome;

	if (client->closing)
		return take_status(client);
	outcome = fill(client, 1);
	return outcome == CLIENT_ANSWER
		       ? bad(client, "it answers what was not asked")
		       : outcome;
}

enum client_outcome client_next(struct client *client,
				struct client_answer *answer)
{
	enum client_outcome outcome = CLIENT_ANSWER;

	if (!client->nr)
		return take_unasked(client);
	if (!client->need)
		outcome = take_head(client);
	if (outcome == CLIENT_ANSWER)
		outcome = fill(client, client->need);
	if (outcome == CLIENT_ANSWER)
		give(client, answer);
	return outcome;
}
