// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What anybody says on a keeper's socket, in any order.  In place of ptrace(2)
 * stands a model: whether the target is stopped.
 *
 *   byte 0   bit 0: hold, bit 1: that and leave_stopped, bit 2: no signal may
 *            be sent
 *   each step   1 byte: bits 0 to 2 enum step, bits 4 to 7: which client;
 *               then what the step takes
 */
#include "kit/kit.h"

#include "proc/keeper.c"

#define CLIENTS 12
#define TURNS   64

enum step { CONNECT, PACKET, GARBAGE, HANG_UP, STOP, LET_GO, KILL, NOTHING };

static struct {
	struct keeper keeper;
	struct kit_input input;
	int clients[CLIENTS]; /* -1: not connected */
	int holder;           /* of the lease; -1: none */
	bool stopped, killed, mute;
} fuzz;

/* --- the kernel's part: proc/seize.h --- */

enum seize_result seize_stop(struct seize *seize, uint64_t limit_ns)
{
	(void)limit_ns;
	if (fuzz.killed)
		return SEIZE_GONE;
	fuzz.stopped = true;
	seize->stop_ns = clock_ns();
	return SEIZE_OK;
}

void seize_resume(struct seize *seize)
{
	(void)seize;
	kit_must(fuzz.stopped, "what runs is not let run");
	fuzz.stopped = false;
}

void seize_catch(struct seize *seize)
{
	(void)seize;
}

int seize_bury(struct seize *seize)
{
	(void)seize;
	return fuzz.killed;
}

int seize_leave_stopped(const struct seize *seize)
{
	(void)seize;
	kit_must(fuzz.stopped, "what runs is not left stopped");
	return fuzz.mute ? -1 : 0;
}

const struct seize_thread *seize_living(const struct seize_task *task)
{
	static const struct seize_thread thread;

	(void)task;
	return fuzz.killed ? NULL : &thread;
}

/* --- the keeper --- */

static int unread; /* an eventfd's kind of descriptor: nothing comes */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sigevent silent = {.sigev_notify = SIGEV_NONE};
	struct keeper *keeper = &fuzz.keeper;
	int ends[2];

	(void)argc;
	(void)argv;
	kit_must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 &&
			 open_listener(keeper) == 0 &&
			 timer_create(CLOCK_MONOTONIC, &silent,
				      &keeper->deadman) == 0,
		 "a keeper can be made");
	unread = ends[0];
	return 0;
}

static void begin(uint8_t how)
{
	struct keeper *keeper = &fuzz.keeper;
	static struct seize_task task = {.named = true};
	struct keeper fresh = {
		.listener = keeper->listener,
		.signals = unread,
		.deadman = keeper->deadman,
		.out = -1,
		.lease = -1,
		.hold = how & 3,
		.leave_stopped = how & 2,
		.timeout_ns = S_NS,
		.seize = {.tasks = &task, .nr_tasks = 1},
	};

	memcpy(fresh.name, keeper->name, sizeof(fresh.name));
	*keeper = fresh;
	for (int i = 0; i < KEEPER_PEERS; i++)
		keeper->peers[i] = -1;
	for (int i = 0; i < CLIENTS; i++)
		fuzz.clients[i] = -1;
	fuzz.holder = -1;
	fuzz.stopped = fuzz.killed = false;
	fuzz.mute = how & 4;
}

static void check_state(void)
{
	const struct keeper *keeper = &fuzz.keeper;

	kit_must(keeper->stopped == fuzz.stopped, "it knows what is stopped");
	kit_must(!keeper->stopped || keeper->armed,
		 "while it is stopped, the timer runs");
	kit_must(keeper->lease < 0 || fuzz.holder >= 0,
		 "who has the lease was told so");
}

/* One turn; where nothing comes, it does not wait. */
static void take_turn(void)
{
	turn(&fuzz.keeper, 0);
}

/* --- the clients --- */

static void connect_client(int *client)
{
	if (*client >= 0)
		return;
	*client = local_connect(fuzz.keeper.name);
	kit_must(*client >= 0, "anybody can connect");
	take_turn();
}

/* It has been dropped, or has hung up. */
static void lose_client(int who)
{
	close(fuzz.clients[who]);
	fuzz.clients[who] = -1;
	if (fuzz.holder != who)
		return;
	fuzz.holder = -1;
	kit_must(fuzz.keeper.end != KEEPER_GOES_ON,
		 "without its releaser a keeper ends");
}

static void hear_yes(int who, uint32_t verb, bool was_stopped)
{
	const struct keeper *keeper = &fuzz.keeper;

	switch (verb) {
	case LEASE_TAKE:
		kit_must(fuzz.holder < 0 || fuzz.holder == who,
			 "there is one releaser");
		fuzz.holder = who;
		break;
	case LEASE_THAW:
		kit_must(fuzz.holder == who, "only the releaser thaws");
		kit_must(keeper->let_go || (was_stopped && !fuzz.killed),
			 "it was stopped all the time");
		kit_must(!fuzz.stopped, "and runs now");
		break;
	case LEASE_STATUS:
		kit_must(fuzz.stopped && !fuzz.killed, "it is stopped");
		break;
	default:
		kit_must(false, "nothing else is answered");
	}
}

/* false: the keeper has hung up. */
static bool hear_answer(int who, uint32_t verb, bool was_stopped)
{
	struct lease_packet answer = {0};
	ssize_t n =
		recv(fuzz.clients[who], &answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	kit_must(n == (ssize_t)sizeof(answer), "an answer is whole");
	kit_must(answer.verb == LEASE_YES || answer.verb == LEASE_NO,
		 "it is yes or no");
	if (answer.verb == LEASE_YES)
		hear_yes(who, verb, was_stopped);
	return true;
}

static void say(int who, const void *data, size_t size, uint32_t verb)
{
	bool was_stopped = fuzz.stopped;
	bool may_thaw = who == fuzz.holder && verb == LEASE_THAW;

	if (send(fuzz.clients[who], data, size, MSG_NOSIGNAL | MSG_DONTWAIT) <
	    0)
		return;
	take_turn();
	kit_must(fuzz.stopped == was_stopped || may_thaw,
		 "who is not the releaser lets nothing run");
	if (!hear_answer(who, verb, was_stopped))
		lose_client(who);
}

static void say_packet(int who)
{
	struct lease_packet packet = {
		.verb = kit_byte(&fuzz.input) % 6,
		.value = kit_byte(&fuzz.input) % 3,
	};

	say(who, &packet, sizeof(packet), packet.verb);
}

/* Of a size that no packet has: who says it is dropped. */
static void say_garbage(int who)
{
	const uint8_t *data;
	size_t size = kit_bytes(&fuzz.input, kit_byte(&fuzz.input), &data);
	bool taken = fuzz.keeper.lease >= 0;

	if (!size || size == sizeof(struct lease_packet))
		return;
	say(who, data, size, 0);
	for (int i = 0; i < 3 && fuzz.clients[who] >= 0; i++) {
		take_turn();
		if (!hear_answer(who, 0, false))
			lose_client(who);
	}
	kit_must(fuzz.clients[who] < 0, "garbage is not listened to");
	kit_must(taken || fuzz.keeper.lease < 0, "nor obeyed");
}

static void hang_up(int who)
{
	close(fuzz.clients[who]);
	take_turn();
	lose_client(who);
}

/* And the signal that tells of it. */
static void kill_target(void)
{
	fuzz.killed = true;
	note_children(&fuzz.keeper);
}

static void take_step(void)
{
	uint8_t what = kit_byte(&fuzz.input);
	int who = (what >> 4) % CLIENTS;
	enum step step = what & 7;
	bool connected = fuzz.clients[who] >= 0;

	if (step == CONNECT)
		connect_client(&fuzz.clients[who]);
	else if (step == PACKET && connected)
		say_packet(who);
	else if (step == GARBAGE && connected)
		say_garbage(who);
	else if (step == HANG_UP && connected)
		hang_up(who);
	else if (step == STOP && !fuzz.stopped && !fuzz.keeper.let_go)
		keeper_stop(&fuzz.keeper);
	else if (step == LET_GO && fuzz.stopped)
		keeper_let_go(&fuzz.keeper);
	else if (step == KILL)
		kill_target();
	check_state();
}

static void end(void)
{
	struct keeper *keeper = &fuzz.keeper;

	for (int i = 0; i < CLIENTS; i++)
		if (fuzz.clients[i] >= 0)
			close(fuzz.clients[i]);
	for (int i = 0; i < TURNS && keeper->end == KEEPER_GOES_ON; i++)
		turn(keeper, 0);
	keeper_thaw(keeper);
	kit_must(!fuzz.stopped && !keeper->armed, "in the end it runs");
	for (int i = 0; i < KEEPER_PEERS; i++)
		if (keeper->peers[i] >= 0)
			close(keeper->peers[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz.input = (struct kit_input){data, size};
	begin(kit_byte(&fuzz.input));
	while (fuzz.input.size)
		take_step();
	end();
	return 0;
}
