// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/keeper.h"

#include "base/clock.h"
#include "base/own.h"
#include "proc/deadman.h"
#include "proc/host.h"
#include "proc/local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_NS          (250 * MS_NS) /* how often the timer is pushed on */
#define FIRST_ATTEMPT_NS (20 * MS_NS)
#define LAST_ATTEMPT_NS  (640 * MS_NS) /* must stay under DEADMAN_NS */

/* As nohup does; once blocked, an ignored signal would be seen after all. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 &&
	       action.sa_handler == SIG_IGN;
}

static void signals_of_interest(sigset_t *set)
{
	static const int numbers[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!is_ignored(numbers[i]))
			sigaddset(set, numbers[i]);
}

static int open_signals(struct keeper *keeper)
{
	sigset_t set;

	signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would hide stops */
	signals_of_interest(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signals < 0 ? -1 : 0;
}

static int open_listener(struct keeper *keeper)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -1;
	snprintf(keeper->name, sizeof(keeper->name),
		 "pagepipe-keeper-%d-%016" PRIx64, getpid(), random);
	keeper->listener = local_listen(keeper->name, KEEPER_PEERS);
	return keeper->listener < 0 ? -1 : 0;
}

static void set_deadman(struct keeper *keeper, uint64_t ns)
{
	keeper->armed = ns > 0;
	deadman_set(keeper->deadman, ns);
}

static void still_alive(void *keeper)
{
	set_deadman(keeper, DEADMAN_NS);
}

int keeper_open(struct keeper *keeper)
{
	keeper->seize.tick = still_alive;
	keeper->seize.tick_of = keeper;
	for (int i = 0; i < KEEPER_PEERS; i++)
		keeper->peers[i] = -1;
	keeper->lease = -1;
	if (open_signals(keeper) < 0 || open_listener(keeper) < 0)
		return -1;
	return deadman_make(&keeper->deadman);
}

static void finish(struct keeper *keeper, enum keeper_end end)
{
	if (keeper->end == KEEPER_GOES_ON)
		keeper->end = end;
}

void keeper_thaw(struct keeper *keeper)
{
	if (!keeper->stopped)
		return;
	seize_resume(&keeper->seize);
	keeper->stopped_ns = clock_ns() - keeper->seize.stop_ns;
	keeper->stopped = false;
	set_deadman(keeper, 0);
}

void keeper_let_go(struct keeper *keeper)
{
	if (keeper->hold)
		return;
	keeper_thaw(keeper);
	keeper->let_go = true;
}

static void note_children(struct keeper *keeper)
{
	if (!keeper->stopped) {
		seize_catch(&keeper->seize);
		return;
	}
	if (seize_bury(&keeper->seize) == 0)
		return;
	keeper->torn = true;
	for (size_t i = 0; i < keeper->seize.nr_tasks; i++)
		if (keeper->seize.tasks[i].named &&
		    !seize_living(&keeper->seize.tasks[i]))
			finish(keeper, KEEPER_TARGET_ENDED);
}

static bool is_for_terminals(int number)
{
	return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static void take_signals(struct keeper *keeper)
{
	struct signalfd_siginfo info;

	while (read(keeper->signals, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGCHLD) {
			note_children(keeper);
		} else if (keeper->let_go && is_for_terminals(number)) {
			raise(SIGSTOP); /* and goes on when told to */
		} else {
			keeper->signal_number = number;
			finish(keeper, KEEPER_SIGNALLED);
		}
	}
}

/* Pages of a process are at stake: its keeper answers its own user and root. */
static void take_peer(struct keeper *keeper)
{
	own_fd int peer = accept4(keeper->listener, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer < 0 || !local_is_ours(peer))
		return;
	for (int i = 0; i < KEEPER_PEERS; i++) {
		if (keeper->peers[i] >= 0)
			continue;
		keeper->peers[i] = steal_fd(&peer);
		return;
	}
}

/* Who would wait for an answer that cannot be sent sees the end instead. */
static void answer(int peer, enum lease_answer yes, uint64_t value)
{
	struct lease_packet packet = {.verb = yes, .value = value};
	ssize_t n;

	do
		n = send(peer, &packet, sizeof(packet),
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		shutdown(peer, SHUT_RDWR);
}

static void grant(struct keeper *keeper, int peer, bool hold)
{
	if (keeper->end != KEEPER_GOES_ON)
		return; /* ending: to hang up is the answer */
	if (keeper->lease < 0) {
		keeper->lease = peer;
		keeper->hold |= hold;
	}
	answer(peer, keeper->lease == peer ? LEASE_YES : LEASE_NO, 0);
}

static void release(struct keeper *keeper, int peer)
{
	bool whole = keeper->let_go || (keeper->stopped && !keeper->torn);

	if (peer != keeper->lease || keeper->end != KEEPER_GOES_ON) {
		answer(peer, LEASE_NO, 0);
		return;
	}
	if (whole && keeper->leave_stopped &&
	    seize_leave_stopped(&keeper->seize) < 0) {
		whole = false;
		finish(keeper, KEEPER_NOT_SIGNALLED);
	}
	keeper_thaw(keeper);
	answer(peer, whole ? LEASE_YES : LEASE_NO, keeper->stopped_ns);
	finish(keeper, whole ? KEEPER_RELEASED : KEEPER_TARGET_ENDED);
}

static void obey(struct keeper *keeper, int peer,
		 const struct lease_packet *packet)
{
	switch (packet->verb) {
	case LEASE_TAKE:
		grant(keeper, peer, packet->value == LEASE_HOLD);
		break;
	case LEASE_THAW:
		release(keeper, peer);
		break;
	case LEASE_BEAT:
		if (peer == keeper->lease)
			keeper->beat_ns = clock_ns();
		break;
	case LEASE_STATUS:
		note_children(keeper);
		answer(peer,
		       keeper->stopped && !keeper->torn ? LEASE_YES : LEASE_NO,
		       0);
		break;
	}
}

/* One packet a turn; a peer that sends anything else is dropped. */
static void hear(struct keeper *keeper, int *peer)
{
	struct lease_packet packet;
	ssize_t n = recv(*peer, &packet, sizeof(packet), MSG_TRUNC);

	if (n == (ssize_t)sizeof(packet)) {
		obey(keeper, *peer, &packet);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (*peer == keeper->lease) {
		keeper->lease = -1;
		finish(keeper, KEEPER_LEASE_LOST);
	}
	close(*peer);
	*peer = -1;
}

static void close_output(struct keeper *keeper)
{
	close(keeper->out);
	keeper->out = -1;
}

/* A pipe that polls writable has room for PIPE_BUF bytes, pipe(7). */
static void send_some(struct keeper *keeper)
{
	size_t left = keeper->pending.size - keeper->sent;
	ssize_t n = write(keeper->out, keeper->pending.data + keeper->sent,
			  left < PIPE_BUF ? left : PIPE_BUF);

	if (n >= 0)
		keeper->sent += (size_t)n;
	else if (errno == EPIPE)
		finish(keeper, KEEPER_READER_GONE);
	else if (errno != EAGAIN && errno != EINTR)
		finish(keeper, KEEPER_ERROR);
	if (keeper->sent < keeper->pending.size)
		return;
	keeper->pending.size = 0;
	keeper->sent = 0;
	if (keeper->more && !keeper->more(keeper))
		close_output(keeper);
}

static void hear_output(struct keeper *keeper, short events)
{
	if (events & POLLOUT)
		send_some(keeper);
	else if (events & (POLLERR | POLLNVAL))
		finish(keeper, KEEPER_READER_GONE);
}

static int milliseconds(uint64_t until)
{
	uint64_t now = clock_ns();
	uint64_t left = until > now ? until - now : 0;

	if (left > TURN_NS)
		left = TURN_NS;
	return (int)((left + MS_NS - 1) / MS_NS);
}

/* Waits once, at most until then, and does what there is to do. */
static void turn(struct keeper *keeper, uint64_t until)
{
	struct pollfd fds[3 + KEEPER_PEERS] = {
		{.fd = keeper->signals, .events = POLLIN},
		{.fd = keeper->listener, .events = POLLIN},
		{.fd = keeper->out,
		 .events = keeper->pending.size ? POLLOUT : 0},
	};

	for (int i = 0; i < KEEPER_PEERS; i++)
		fds[3 + i] = (struct pollfd){.fd = keeper->peers[i],
					     .events = POLLIN};
	if (keeper->armed)
		set_deadman(keeper, DEADMAN_NS);
	if (poll(fds, 3 + KEEPER_PEERS, milliseconds(until)) <= 0)
		return;
	if (fds[0].revents)
		take_signals(keeper);
	for (int i = 0; i < KEEPER_PEERS; i++)
		if (fds[3 + i].revents)
			hear(keeper, &keeper->peers[i]);
	if (fds[1].revents)
		take_peer(keeper);
	if (fds[2].revents)
		hear_output(keeper, fds[2].revents);
}

enum keeper_end keeper_send(struct keeper *keeper)
{
	uint64_t until = clock_ns() + keeper->wait_ns;

	while (keeper->end == KEEPER_GOES_ON && keeper->pending.size) {
		turn(keeper, until);
		if (clock_ns() >= until)
			finish(keeper, KEEPER_NO_LEASE);
	}
	return keeper->end;
}

enum keeper_end keeper_wait_lease(struct keeper *keeper)
{
	uint64_t until = clock_ns() + keeper->wait_ns;

	while (keeper->end == KEEPER_GOES_ON && keeper->lease < 0) {
		turn(keeper, until);
		if (keeper->lease < 0 && clock_ns() >= until)
			finish(keeper, KEEPER_NO_LEASE);
	}
	return keeper->end;
}

/* Another pagepipe may have it now: it is worth waiting for. */
static bool may_change(const struct keeper *keeper)
{
	struct task_stat stat;

	if (keeper->result == SEIZE_SLOW)
		return true;
	return keeper->result == SEIZE_TRACED &&
	       task_stat(keeper->seize.tracer, 0, &stat) == 0 &&
	       stat.name_size == 6 && !memcmp(stat.name, "freeze", 6);
}

static void pause_until(struct keeper *keeper, uint64_t until)
{
	while (keeper->end == KEEPER_GOES_ON && clock_ns() < until)
		turn(keeper, until);
}

static void attempt(struct keeper *keeper, uint64_t limit_ns)
{
	set_deadman(keeper, DEADMAN_NS);
	keeper->uptime_us = host_uptime_us();
	keeper->result = seize_stop(&keeper->seize, limit_ns);
	keeper->stopped = keeper->result == SEIZE_OK;
	if (!keeper->stopped)
		set_deadman(keeper, 0);
	keeper->beat_ns = clock_ns();
}

enum keeper_end keeper_stop(struct keeper *keeper)
{
	uint64_t until = clock_ns() + keeper->timeout_ns;
	uint64_t limit = FIRST_ATTEMPT_NS;

	while (keeper->end == KEEPER_GOES_ON) {
		attempt(keeper, limit);
		if (keeper->stopped)
			break;
		if (!may_change(keeper) || clock_ns() + limit >= until) {
			finish(keeper, KEEPER_NOT_STOPPED);
			break;
		}
		pause_until(keeper, clock_ns() + limit);
		if (limit < LAST_ATTEMPT_NS)
			limit *= 2;
	}
	return keeper->end;
}

static uint64_t earliest(const struct keeper *keeper)
{
	uint64_t until = UINT64_MAX;

	if (!keeper->stopped)
		return until;
	if (keeper->max_stop_ns)
		until = keeper->seize.stop_ns + keeper->max_stop_ns;
	if (keeper->stall_ns && keeper->beat_ns + keeper->stall_ns < until)
		until = keeper->beat_ns + keeper->stall_ns;
	return until;
}

static void mind_the_time(struct keeper *keeper)
{
	uint64_t now = clock_ns();

	if (!keeper->stopped)
		return;
	if (keeper->max_stop_ns &&
	    now >= keeper->seize.stop_ns + keeper->max_stop_ns)
		finish(keeper, KEEPER_TOO_LONG);
	if (keeper->stall_ns && now >= keeper->beat_ns + keeper->stall_ns)
		finish(keeper, KEEPER_STALLED);
}

enum keeper_end keeper_serve(struct keeper *keeper)
{
	while (keeper->end == KEEPER_GOES_ON) {
		turn(keeper, earliest(keeper));
		mind_the_time(keeper);
	}
	keeper_thaw(keeper);
	return keeper->end;
}
