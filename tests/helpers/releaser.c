// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * releaser ACTION... < STREAM: a stage in thaw's place that does with the
 * keeper what it is told, and prints what came of it.
 *
 *   take      asks for the lease and to hold the target: "take yes", "take no",
 *             "take ERROR"
 *   brief     the same, and the keeper lets it run by itself
 *   tasks     reads the stream up to its END: the target is stopped now
 *   status    "status stopped" or "status ran"
 *   beat      a sign of life
 *   thaw      "thaw NANOSECONDS" or "thaw ERROR"
 *   sleep=MS  waits
 *   for=FILE  waits until it is there, 9 s at most
 *   garbage   sends bytes that are no packet
 *   close     closes the lease
 */
#include "base/die.h"
#include "base/num.h"
#include "proc/lease.h"
#include "stream/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct stream_reader in;
static int lease = -1;

static void take(enum lease_stop stop)
{
	lease = lease_take(in.hello->keeper, stop);
	printf("take %s\n", lease >= 0       ? "yes"
			    : errno == EBUSY ? "no"
					     : strerror(errno));
}

static void tasks(void)
{
	struct frame frame;

	while (stream_next(&in, &frame) == FRAME_OK)
		;
	printf("tasks %u\n", in.nr_tasks);
}

static void thaw(void)
{
	uint64_t ns;

	if (lease_thaw(lease, &ns) == 0)
		printf("thaw %" PRIu64 "\n", ns);
	else
		printf("thaw %s\n", strerror(errno));
}

static void wait_for_file(const char *path)
{
	for (int i = 0; i < 900 && access(path, F_OK) < 0; i++)
		usleep(10000);
}

static void act(const char *action)
{
	uint64_t ms;

	if (!strcmp(action, "take"))
		take(LEASE_HOLD);
	else if (!strcmp(action, "brief"))
		take(LEASE_BRIEF);
	else if (!strcmp(action, "tasks"))
		tasks();
	else if (!strcmp(action, "status"))
		printf("status %s\n",
		       lease_is_stopped(lease) ? "stopped" : "ran");
	else if (!strcmp(action, "beat"))
		(void)lease_beat(lease);
	else if (!strcmp(action, "thaw"))
		thaw();
	else if (!strcmp(action, "garbage"))
		printf("garbage %zd\n",
		       send(lease, "garbage", 7, MSG_NOSIGNAL));
	else if (!strncmp(action, "for=", 4))
		wait_for_file(action + 4);
	else if (!strcmp(action, "close"))
		close(lease);
	else if (!strncmp(action, "sleep=", 6) && !num_parse(action + 6, &ms))
		usleep((useconds_t)ms * 1000);
	else
		die(EXIT_USAGE, "no such action: %s", action);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct frame frame;

	if (stream_reader_init(&in, STDIN_FILENO, -1) < 0 ||
	    stream_next(&in, &frame) != FRAME_OK)
		die(EXIT_INPUT, "no HELLO");
	for (int i = 1; i < argc; i++)
		act(argv[i]);
	return 0;
}
