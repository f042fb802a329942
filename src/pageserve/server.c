// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/server.h"

#include "pageserve/listen.h"

#include "base/clock.h"
#include "base/die.h"
#include "stage/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

void server_begin(struct server *server)
{
	server->signals = daemon_signals();
	server->store = (struct store){
		.path = server->setup.path,
		.page_size = server->setup.page_size,
	};
	server->setup.store = &server->store;
	server->setup.sender = &server->sender;
}

void server_take(struct server *server, int in, int out, const char *name)
{
	struct session *session = session_begin(&server->setup, in, out);

	if (!session)
		die_errno(EXIT_SYSTEM, "cannot begin a session");
	snprintf(session->name, sizeof(session->name), "%s", name);
	server->sessions[server->nr++] = session;
}

static void take_client(struct server *server)
{
	char name[sizeof(server->sessions[0]->name)];
	int fd = listen_accept(server->listener, name, sizeof(name));

	if (fd < 0)
		return;
	server_take(server, fd, fd, name);
	if (!server->once)
		return;
	close(server->listener);
	server->listener = -1;
}

/* --- one turn: the listener, the signals, and two of each session --- */

enum { POLL_SIGNALS, POLL_LISTENER, POLL_SESSIONS };

static void gather(const struct server *server, struct pollfd *fds)
{
	bool full = server->nr == SERVER_SESSIONS;

	fds[POLL_SIGNALS] = (struct pollfd){server->signals, POLLIN, 0};
	fds[POLL_LISTENER] =
		(struct pollfd){full ? -1 : server->listener, POLLIN, 0};
	for (size_t i = 0; i < server->nr; i++) {
		const struct session *session = server->sessions[i];
		short wants = session_wants(session);
		struct pollfd *two = fds + POLL_SESSIONS + 2 * i;

		two[0] = (struct pollfd){wants & POLLIN ? session->in : -1,
					 POLLIN, 0};
		two[1] = (struct pollfd){wants & POLLOUT ? session->out : -1,
					 POLLOUT, 0};
	}
}

static int patience_ms(const struct server *server)
{
	uint64_t first = UINT64_MAX;
	uint64_t now = clock_ns();

	for (size_t i = 0; i < server->nr; i++) {
		uint64_t deadline =
			session_deadline(server->sessions[i], server->limit_ns);

		if (deadline < first)
			first = deadline;
	}
	if (first == UINT64_MAX)
		return -1;
	if (first <= now)
		return 0;
	return first - now > 1000 * S_NS ? 1000000
					 : (int)((first - now) / MS_NS) + 1;
}

static void turn_session(const struct server *server, struct session *session,
			 const struct pollfd *two)
{
	short events = (short)((two[0].revents ? POLLIN : 0) |
			       (two[1].revents ? POLLOUT : 0));

	if (events)
		session_turn(session, events);
	else if (clock_ns() >= session_deadline(session, server->limit_ns))
		session_expire(session);
}

/* From the last one down, since one that is over is replaced by the last. */
static void drop_over(struct server *server)
{
	for (size_t i = server->nr; i-- > 0;) {
		if (!session_is_over(server->sessions[i]))
			continue;
		if (!session_end(server->sessions[i]))
			server->failed = true;
		server->sessions[i] = server->sessions[--server->nr];
		server->stops = server->stops || server->once;
	}
}

static void turn(struct server *server)
{
	struct pollfd fds[POLL_SESSIONS + 2 * SERVER_SESSIONS];
	size_t nr = server->nr;

	gather(server, fds);
	if (poll(fds, POLL_SESSIONS + 2 * nr, patience_ms(server)) < 0) {
		if (errno == EINTR)
			return;
		die_errno(EXIT_SYSTEM, "cannot wait for clients");
	}
	for (size_t i = 0; i < nr; i++)
		turn_session(server, server->sessions[i],
			     fds + POLL_SESSIONS + 2 * i);
	if (fds[POLL_LISTENER].revents)
		take_client(server);
	if (fds[POLL_SIGNALS].revents)
		server->stops = true;
	drop_over(server);
}

void server_run(struct server *server)
{
	while (!server->stops)
		turn(server);
	while (server->nr) {
		struct session *session = server->sessions[--server->nr];

		session_break(session);
		if (!session_end(session))
			server->failed = true;
	}
	store_release(&server->store);
}
