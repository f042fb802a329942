// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What anybody says on memtrack's socket, in any order, and what a tracker may
 * answer one who asks.
 *
 *   byte 0   bit 0: the rest is what a tracker answers, packet by packet
 *   each step     1 byte: bits 0 to 2 enum step, bits 4 to 7: which client;
 *                 then what the step takes
 *   each packet   1 byte: its verb; bits 4 and 5: a descriptor, and another
 *                 one, go along; then what is in it
 */
#include "kit/kit.h"

#include "memtrack/server.c"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define CLIENTS    8
#define PAGE       4096
#define VERBS      14
#define TURNS      (8 * CLIENTS)
#define MEMORY_MAX (16u << 20) /* bytes */

enum step { CONNECT, PACKET, PACKETS, GARBAGE, HANG_UP };
#define VERB       15
#define PASSENGERS 3 /* at most */

static struct {
	struct server server;
	struct record record;
	struct kit_input input;
	int clients[CLIENTS]; /* -1: not connected */
	int passenger;
	int ready; /* always: no turn waits */
	char name[TRACKER_NAME_SIZE];
	int listener;
} fuzz;

/* --- the kernel's part: memtrack/arm.h --- */

void arm_new(struct armed *armed, const struct tracker_tasks *round)
{
	(void)armed;
	(void)round;
}

bool arm_waiting(struct armed *armed)
{
	(void)armed;
	return false;
}

/* --- packets --- */

static void fill_task(struct tracker_packet *packet)
{
	packet->task.key.pid = kit_byte(&fuzz.input) % 4 + 1;
	packet->task.key.start_time = 5;
	packet->task.trusted = kit_byte(&fuzz.input) & 1;
	packet->task.whole = kit_byte(&fuzz.input) & 1;
	packet->task.cleared = kit_byte(&fuzz.input) & 1;
	packet->task.late_io = kit_byte(&fuzz.input) & 1;
}

static void fill_base(struct tracker_packet *packet)
{
	packet->open.version = TRACKER_VERSION;
	packet->open.base.wish = kit_byte(&fuzz.input) % 7;
	packet->open.base.generation = kit_byte(&fuzz.input);
	if (kit_byte(&fuzz.input) & 1)
		memcpy(packet->open.base.id, fuzz.record.id, TRACKER_ID_SIZE);
}

static void fill_runs(struct tracker_message *message)
{
	uint32_t nr = kit_byte(&fuzz.input) % 64;
	vaddr_t at = (vaddr_t)kit_byte(&fuzz.input) * PAGE;

	message->packet.nr_runs = nr;
	for (uint32_t i = 0; i < nr; i++) {
		uint8_t what = kit_byte(&fuzz.input);
		struct run run = {at + (what & 7) * PAGE, what >> 4,
				  RUN_PRESENT};

		if (what & 8)
			run.flags = kit_byte(&fuzz.input);
		message->runs[i] = run;
		at = run_end(&run, PAGE);
	}
}

/* Its bytes, and how many descriptors go along. */
static size_t make_packet(struct tracker_message *message, int *passengers)
{
	struct tracker_packet *packet = &message->packet;
	uint8_t what = kit_byte(&fuzz.input);

	*packet = (struct tracker_packet){.verb = (what & VERB) % VERBS};
	*passengers = what >> 4 & PASSENGERS;
	if (packet->verb == TRACKER_TASK)
		fill_task(packet);
	else if (packet->verb == TRACKER_RUNS)
		fill_runs(message);
	else if (packet->verb == TRACKER_SKIPPED)
		packet->generation = kit_byte(&fuzz.input);
	else if (packet->verb == TRACKER_OPEN ||
		 packet->verb == TRACKER_CONFIRM)
		fill_base(packet);
	return sizeof(*packet) + packet->nr_runs * sizeof(struct run);
}

static void send_bytes(int fd, const void *data, size_t size, int passengers)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PASSENGERS * sizeof(int))];
	} room = {.header = {CMSG_LEN((size_t)passengers * sizeof(int)),
			     SOL_SOCKET, SCM_RIGHTS}};
	struct iovec body = {(void *)data, size};
	struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};

	for (int i = 0; i < passengers; i++)
		((int *)CMSG_DATA(&room.header))[i] = fuzz.passenger;
	if (passengers) {
		message.msg_control = &room;
		message.msg_controllen =
			CMSG_SPACE((size_t)passengers * sizeof(int));
	}
	(void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_packet(int fd)
{
	static struct tracker_message message;
	struct {
		struct tracker_packet packet;
		struct run runs[64];
	} whole;
	int passengers;
	size_t size = make_packet(&message, &passengers);

	whole.packet = message.packet;
	memcpy(whole.runs, message.runs, sizeof(whole.runs));
	send_bytes(fd, &whole, size, passengers);
}

static void send_garbage(int fd)
{
	const uint8_t *data;
	size_t size = kit_bytes(&fuzz.input, kit_byte(&fuzz.input), &data);

	if (size)
		send_bytes(fd, data, size, 0);
}

/* --- what must hold --- */

static void check_report(const struct runlist *report)
{
	vaddr_t low = 0;

	for (size_t i = 0; i < report->nr; i++) {
		kit_must(run_is_valid(&report->all[i], PAGE) &&
				 report->all[i].vaddr >= low,
			 "a report ascends");
		low = run_end(&report->all[i], PAGE);
	}
}

static void check_server(void)
{
	const struct server *server = &fuzz.server;
	struct record *record = &fuzz.record;
	bool makes = false;

	kit_must(server->nr_peers <= SERVER_PEERS, "peers have a limit");
	for (size_t i = 0; i < server->nr_peers; i++)
		makes |= server->peers[i].fd == server->maker;
	kit_must(makes == (server->maker >= 0), "who makes a round is there");
	kit_must(makes == (record_now(record) != NULL), "one round is open");
	for (size_t n = 0; n < record->nr; n++)
		for (size_t i = 0; i < record->rounds[n].tasks.nr; i++)
			check_report(&record->rounds[n].tasks.all[i].report);
}

static int nr_passengers(void)
{
	struct stat one, other;
	int nr = 0;

	fstat(fuzz.passenger, &one);
	for (int fd = fuzz.passenger + 1; fd < fuzz.passenger + 128; fd++)
		nr += fstat(fd, &other) == 0 && one.st_ino == other.st_ino &&
		      one.st_dev == other.st_dev;
	return nr;
}

/* --- the server --- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz.ready = eventfd(1, EFD_CLOEXEC);
	tracker_name(fuzz.name, getpid(), clock_ns());
	fuzz.listener = local_listen(fuzz.name, CLIENTS);
	fuzz.passenger = kit_reader(NULL, 0);
	kit_must(fuzz.ready >= 0 && fuzz.listener >= 0, "a tracker is made");
	return 0;
}

static void begin(void)
{
	record_begin(&fuzz.record, TRACKER_UFFD);
	fuzz.record.page_size = PAGE;
	fuzz.server = (struct server){
		.record = &fuzz.record,
		.maker = -1,
		.signals = fuzz.ready,
	};
	keep(&fuzz.server.listeners, fuzz.listener);
	for (int i = 0; i < CLIENTS; i++)
		fuzz.clients[i] = -1;
}

static void take_turn(void)
{
	static struct tracker_message answer;

	turn(&fuzz.server);
	check_server();
	for (int i = 0; i < CLIENTS; i++) {
		struct pollfd fd = {fuzz.clients[i], POLLIN, 0};

		while (fuzz.clients[i] >= 0 && poll(&fd, 1, 0) > 0) {
			if (tracker_receive(fd.fd, &answer) <= 0) {
				close(fuzz.clients[i]);
				fuzz.clients[i] = -1;
			}
			if (answer.fd >= 0)
				close(answer.fd);
		}
	}
}

static void take_step(void)
{
	uint8_t what = kit_byte(&fuzz.input);
	int *client = &fuzz.clients[(what >> 4) % CLIENTS];
	enum step step = what & 7;

	if (step == CONNECT && *client < 0)
		*client = local_connect(fuzz.name);
	else if (*client < 0)
		return;
	else if (step == PACKET || step == PACKETS)
		send_packet(*client);
	else if (step == GARBAGE)
		send_garbage(*client);
	else if (step == HANG_UP) {
		close(*client);
		*client = -1;
	}
	take_turn();
}

static void serve(void *unused)
{
	(void)unused;
	while (fuzz.input.size)
		take_step();
	for (int i = 0; i < CLIENTS; i++) {
		if (fuzz.clients[i] >= 0)
			close(fuzz.clients[i]);
		fuzz.clients[i] = -1;
	}
	for (int i = 0; i < TURNS && fuzz.server.nr_peers; i++)
		take_turn();
	kit_must(!fuzz.server.nr_peers && fuzz.server.maker < 0,
		 "who has gone is forgotten");
}

static void end(void)
{
	for (size_t i = 0; i < fuzz.record.nr; i++)
		tracker_tasks_release(&fuzz.record.rounds[i].tasks);
	free(fuzz.record.rounds);
	buf_release(&fuzz.server.listeners);
}

/* --- who asks --- */

static void ask(void *unused)
{
	struct tracker_base base = {0};
	struct tracker_round round;
	struct tracker_tasks tasks = {0};
	struct tracker_status status;
	int ends[2];

	(void)unused;
	kit_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ==
			 0,
		 "there are sockets");
	while (fuzz.input.size)
		send_packet(ends[1]);
	shutdown(ends[1], SHUT_WR);
	if (tracker_open(ends[0], &base, &round, &tasks) == 0)
		for (size_t i = 0; i < tasks.nr; i++)
			check_report(&tasks.all[i].report);
	(void)tracker_status(ends[0], &status);
	(void)tracker_confirm(ends[0], &base);
	(void)tracker_commit(ends[0]);
	tracker_tasks_release(&tasks);
	close(ends[0]);
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool asks;

	fuzz.input = (struct kit_input){data, size};
	asks = kit_byte(&fuzz.input) & 1;
	begin();
	kit_must(kit_run(asks ? ask : serve, NULL), "it does not die");
	kit_must(kit_peak() < MEMORY_MAX, "it takes little memory");
	end();
	kit_must(!nr_passengers(), "each descriptor is closed");
	return 0;
}
