// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST   64 /* pages of a question that nobody waits for */
#define END_MS 5000

static int failed(struct remote *remote, const char *why)
{
	snprintf(remote->source.text, sizeof(remote->source.text),
		 "the page server %s: %s", remote->name, why);
	return -1;
}

static int ask(struct source *source, const struct wish *wish)
{
	struct remote *remote = (struct remote *)source;
	struct client_question question = {
		.pid = wish->images->pid,
		.nr_pages = (uint32_t)wish->nr_pages,
		.vaddr = wish->image,
	};

	if (client_ask(&remote->client, &question) < 0)
		return failed(remote, strerror(errno));
	remote->wishes[(remote->first + remote->nr++) % CLIENT_ASKED_MAX] =
		*wish;
	remote->under_way += wish->nr_pages;
	return 0;
}

static void give(struct remote *remote, const struct client_answer *answer,
		 struct arrival *arrival)
{
	*arrival = (struct arrival){
		.wish = remote->wishes[remote->first],
		.nr_pages = answer->nr_pages,
		.data = answer->data,
	};
	remote->first = (remote->first + 1) % CLIENT_ASKED_MAX;
	remote->nr--;
	remote->under_way -= arrival->wish.nr_pages;
}

static enum source_outcome fail(struct remote *remote, const char *why)
{
	failed(remote, why);
	return SOURCE_FAILED;
}

static enum source_outcome take(struct source *source, struct arrival *arrival)
{
	struct remote *remote = (struct remote *)source;
	struct client_answer answer;

	switch (client_next(&remote->client, &answer)) {
	case CLIENT_ANSWER:
		break;
	case CLIENT_WAITS:
		return SOURCE_WAITS;
	case CLIENT_CLOSED:
	case CLIENT_ENDED:
		return fail(remote, "it has gone");
	case CLIENT_BAD:
		return fail(remote, remote->client.why);
	case CLIENT_ERROR:
		return fail(remote, strerror(errno));
	}
	give(remote, &answer, arrival);
	if (answer.nr_pages)
		return SOURCE_ARRIVAL;
	snprintf(source->text, sizeof(source->text),
		 "the page server %s does not have the page 0x%" PRIx64
		 " of pid %" PRIu32,
		 remote->name, answer.of.vaddr, answer.of.pid);
	return SOURCE_FAILED;
}

static int send(struct source *source)
{
	struct remote *remote = (struct remote *)source;

	return client_send(&remote->client) < 0
		       ? failed(remote, strerror(errno))
		       : 0;
}

static bool has_room(const struct source *source, bool urgent)
{
	const struct remote *remote = (const struct remote *)source;

	return remote->nr < CLIENT_ASKED_MAX &&
	       (urgent || remote->under_way < source->window);
}

static short events(const struct source *source)
{
	return client_events(&((const struct remote *)source)->client);
}

int remote_begin(struct remote *remote, int in, int out, const char *name,
		 enum message_form form, uint32_t page_size)
{
	*remote = (struct remote){
		.source = {ask, take, send, has_room, events, in, out, MOST,
			   MOST, ""},
		.name = name,
	};
	remote->wishes = calloc(CLIENT_ASKED_MAX, sizeof(*remote->wishes));
	return remote->wishes
		       ? client_begin(&remote->client, in, out, form, page_size)
		       : -1;
}

static enum client_outcome skip_answers(struct remote *remote)
{
	enum client_outcome outcome;
	struct client_answer answer;

	do
		outcome = client_next(&remote->client, &answer);
	while (outcome == CLIENT_ANSWER);
	return outcome;
}

void remote_end(struct remote *remote)
{
	struct client *client = &remote->client;
	struct pollfd polled[2] = {
		{.fd = client->in, .events = POLLIN},
		{.fd = client->out},
	};

	if (client_close(client) == 0)
		do {
			polled[1].events =
				(short)(client_events(client) & POLLOUT);
			if (polled[1].events && client_send(client) < 0)
				break;
			if (skip_answers(remote) != CLIENT_WAITS)
				break;
		} while (poll(polled, polled[1].events ? 2 : 1, END_MS) > 0);
	client_release(client);
	free(remote->wishes);
}
