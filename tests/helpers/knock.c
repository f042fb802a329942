// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * knock keeper|tracker NAME: asks whoever has that socket how it stands, as a
 * program that is none of ours would: "answered", or "hung up" on without one
 * byte; "nobody" has it.
 */
#include "base/die.h"
#include "proc/lease.h"
#include "proc/local.h"
#include "proc/tracker_wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *say(int fd, const void *packet, size_t size)
{
	char answer[256];

	/* it may have hung up before we have said anything */
	if (send(fd, packet, size, MSG_NOSIGNAL) < 0)
		return "hung up";
	return recv(fd, answer, sizeof(answer), 0) > 0 ? "answered" : "hung up";
}

int main(int argc, char **argv)
{
	const struct lease_packet lease = {.verb = LEASE_STATUS};
	const struct tracker_packet tracker = {.verb = TRACKER_STATUS};
	int fd;

	if (argc != 3)
		die(EXIT_USAGE, "Usage: knock keeper|tracker NAME");
	fd = local_connect(argv[2]);
	if (fd < 0)
		puts("nobody");
	else if (!strcmp(argv[1], "keeper"))
		puts(say(fd, &lease, sizeof(lease)));
	else
		puts(say(fd, &tracker, sizeof(tracker)));
	return EXIT_DONE;
}
