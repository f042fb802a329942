// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * asker 24|32 PORT < QUESTIONS: asks a page server on this machine by the
 * client of src/xfer, with as many questions on the way as it takes.
 *
 * A question is a line "PID VADDR PAGES"; what was answered is one, too, with
 * what is in the pages behind it: "zeros", the highest byte of all words where
 * the rest of each is its address (as helpers/images.py makes them), or "-".
 * What an answer leaves out is asked for again.  The last line is how it ended.
 */
#include "base/die.h"
#include "xfer/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static int connect_to(const char *port)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die_errno(EXIT_SYSTEM, "cannot connect");
	return fd;
}

/* false: there is no more. */
static bool next_question(struct client_question *question)
{
	char line[128];
	char *at = line;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	question->pid = (uint32_t)strtoul(at, &at, 0);
	question->vaddr = strtoull(at, &at, 0);
	question->nr_pages = (uint32_t)strtoul(at, &at, 0);
	return true;
}

static const char *what_is_in(const struct client *client,
			      const struct client_answer *answer)
{
	static char text[16];
	size_t nr = (size_t)answer->nr_pages * client->page_size / 8;
	uint64_t first = 0;

	if (!answer->nr_pages)
		return "-";
	for (size_t i = 0; i < nr; i++) {
		uint64_t word;

		memcpy(&word, answer->data + 8 * i, 8);
		if (i == 0)
			first = word;
		if (word != (first ? first + 8 * i : 0) ||
		    (first && word << 8 >> 8 != answer->of.vaddr + 8 * i))
			return "wrong";
	}
	snprintf(text, sizeof(text), "%" PRIu64, first >> 56);
	return first ? text : "zeros";
}

static void ask(struct client *client, const struct client_question *question)
{
	if (client_ask(client, question) < 0)
		die_errno(EXIT_SYSTEM, "cannot ask");
}

static void take(struct client *client, const struct client_answer *answer)
{
	struct client_question rest = answer->of;

	printf("%" PRIu32 " 0x%" PRIx64 " %" PRIu32 " %s\n", answer->of.pid,
	       answer->of.vaddr, answer->nr_pages, what_is_in(client, answer));
	if (!answer->nr_pages || answer->nr_pages == rest.nr_pages)
		return;
	rest.vaddr += (uint64_t)answer->nr_pages * client->page_size;
	rest.nr_pages -= answer->nr_pages;
	ask(client, &rest);
}

static void wait_for(struct client *client)
{
	struct pollfd fd = {client->in, client_events(client), 0};

	if (poll(&fd, 1, PATIENCE_MS) != 1)
		die(EXIT_SYSTEM, "no answer");
	if (fd.revents & POLLOUT && client_send(client) < 0)
		die_errno(EXIT_SYSTEM, "cannot send");
}

static void ask_more(struct client *client, bool *more)
{
	struct client_question question;

	while (*more && client->nr < CLIENT_ASKED_MAX / 2) {
		*more = next_question(&question);
		if (*more)
			ask(client, &question);
	}
	if (!*more && !client->nr && client_close(client) < 0)
		die_errno(EXIT_SYSTEM, "cannot close");
}

static enum client_outcome run(struct client *client)
{
	enum client_outcome outcome;
	struct client_answer answer;
	bool more = true;

	while (true) {
		ask_more(client, &more);
		outcome = client_next(client, &answer);
		if (outcome == CLIENT_ANSWER)
			take(client, &answer);
		else if (outcome == CLIENT_WAITS)
			wait_for(client);
		else
			return outcome;
	}
}

int main(int argc, char **argv)
{
	struct client client;
	int fd;

	if (argc != 3)
		die(EXIT_USAGE, "asker 24|32 PORT");
	fd = connect_to(argv[2]);
	if (client_begin(&client, fd, fd, (enum message_form)atoi(argv[1]),
			 (uint32_t)sysconf(_SC_PAGESIZE)) < 0)
		die_errno(EXIT_SYSTEM, "cannot begin");
	switch (run(&client)) {
	case CLIENT_CLOSED:
		puts("closed");
		break;
	case CLIENT_ENDED:
		puts("ended");
		break;
	case CLIENT_BAD:
		printf("bad: %s\n", client.why);
		break;
	case CLIENT_ERROR:
		printf("error: %s\n", strerror(errno));
		break;
	case CLIENT_ANSWER:
	case CLIENT_WAITS:
		abort();
	}
	client_release(&client);
	return EXIT_DONE;
}
