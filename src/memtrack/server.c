// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/server.h"

#include "base/die.h"
#include "base/own.h"
#include "proc/local.h"
#include "proc/task.h"
#include "proc/tracker_wire.h"
#include "stage/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define RETRY_MS 100 /* for a process that somebody else traces */

void server_begin(struct server *server, struct record *record)
{
	*server = (struct server){.record = record, .maker = -1};
	server->signals = daemon_signals();
}

static void keep(struct buf *list, int fd)
{
	if (buf_append(list, &fd, sizeof(fd)) < 0)
		die(EXIT_SYSTEM, "no memory");
}

static _Noreturn void die_of_name(pid_t pid, const char *name)
{
	struct tracker_status status;
	own_fd int other = -1;

	if (errno != EADDRINUSE)
		die_errno(EXIT_SYSTEM, "cannot open a socket");
	other = tracker_connect(name);
	if (other >= 0 && tracker_status(other, &status) == 0)
		die(EXIT_SYSTEM,
		    "pid %d: is tracked already, by process %d (memtrack "
		    "--stop %d ends that)",
		    pid, status.pid, pid);
	die(EXIT_SYSTEM, "pid %d: another user has its tracker's name", pid);
}

static void listen_for(struct server *server, pid_t pid, uint64_t start_time)
{
	char name[TRACKER_NAME_SIZE];
	int fd;

	tracker_name(name, pid, start_time);
	fd = local_listen(name, SERVER_PEERS);
	if (fd < 0)
		die_of_name(pid, name);
	keep(&server->listeners, fd);
}

void server_name(struct server *server, pid_t pid)
{
	int target = (int)syscall(SYS_pidfd_open, pid, 0);
	struct task_stat stat;

	if (target < 0 || task_stat(pid, 0, &stat) < 0)
		die(EXIT_TARGET, "pid %d: no such process", pid);
	if (stat.kernel_thread)
		die(EXIT_USAGE, "pid %d: is a kernel thread", pid);
	keep(&server->targets, target);
	listen_for(server, pid, stat.start_time);
}

/* Reports go out in one piece: a peer that does not read is given up. */
static void limit_sending(int fd)
{
	struct timeval limit = {.tv_sec = 5};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void take_peer(struct server *server, int listener)
{
	own_fd int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || !local_is_ours(fd) || server->nr_peers == SERVER_PEERS)
		return;
	limit_sending(fd);
	server->peers[server->nr_peers++] = (struct peer){.fd = steal_fd(&fd)};
}

/* Who has not been told all must not take it for all: better nothing more. */
static void tell(const struct peer *peer, const struct tracker_packet *packet)
{
	if (tracker_send(peer->fd, packet, NULL) < 0)
		shutdown(peer->fd, SHUT_RDWR);
}

static void answer(const struct peer *peer, bool yes)
{
	struct tracker_packet packet = {.verb = yes ? TRACKER_YES : TRACKER_NO};

	tell(peer, &packet);
}

/* The descriptors go along, also of tasks that no round has seen yet. */
static void lend_armed(const struct server *server, struct tracker_tasks *tasks)
{
	const struct tracker_tasks *armed = &server->armed.tasks;

	for (size_t i = 0; i < armed->nr; i++) {
		struct tracker_task *task =
			tracker_find(tasks, &armed->all[i].key);

		if (!task)
			task = tracker_add(tasks, &armed->all[i].key);
		if (!task)
			die(EXIT_SYSTEM, "no memory");
		task->uffd = armed->all[i].uffd;
	}
}

/* They stay ours. */
static void take_back(struct tracker_tasks *tasks)
{
	for (size_t i = 0; i < tasks->nr; i++)
		tasks->all[i].uffd = -1;
	tracker_tasks_release(tasks);
}

static void grant(struct server *server, struct peer *peer)
{
	struct tracker_packet packet = {.verb = TRACKER_ROUND};
	struct tracker_tasks tasks = {0};

	peer->waits = false;
	server->maker = peer->fd;
	record_open(server->record, &peer->base, &packet.round, &tasks);
	lend_armed(server, &tasks);
	tell(peer, &packet);
	for (size_t i = 0; i < tasks.nr; i++)
		if (tracker_send_task(peer->fd, &tasks.all[i]) < 0)
			shutdown(peer->fd, SHUT_RDWR);
	take_back(&tasks);
	packet = (struct tracker_packet){.verb = TRACKER_DONE};
	tell(peer, &packet);
}

static void grant_next(struct server *server)
{
	for (size_t i = 0; server->maker < 0 && i < server->nr_peers; i++)
		if (server->peers[i].waits)
			grant(server, &server->peers[i]);
}

static void end_round(struct server *server)
{
	record_abandon(server->record); /* unless it was committed */
	server->maker = -1;
	grant_next(server);
}

/* The page tables of a round that skipped some are complete now. */
static void end_skipped(struct server *server, struct peer *peer)
{
	for (size_t i = 0; i < peer->skipped.nr; i++)
		record_skip(server->record, peer->skipped_of,
			    &peer->skipped.all[i]);
	tracker_tasks_release(&peer->skipped);
}

static void drop_peer(struct server *server, size_t i)
{
	struct peer *peer = &server->peers[i];
	int fd = peer->fd;

	end_skipped(server, peer);
	close(fd);
	*peer = server->peers[--server->nr_peers];
	if (fd == server->maker)
		end_round(server);
}

static void tell_status(const struct server *server, const struct peer *peer)
{
	const struct record *record = server->record;
	struct tracker_packet packet = {
		.verb = TRACKER_STATUS,
		.status =
			{
				.method = record->method,
				.generation = record->generation,
				.rounds = record->nr,
				.bytes = record_bytes(record),
				.pid = getpid(),
			},
	};

	memcpy(packet.status.id, record->id, sizeof(record->id));
	tell(peer, &packet);
}

/* TASK and RUNS: a round's report, or pages that were skipped. */
static bool take_report(struct server *server, struct peer *peer,
			struct tracker_message *message)
{
	struct recorded_round *now = record_now(server->record);
	struct tracker_tasks *tasks = NULL;

	if (peer->skipped_of)
		tasks = &peer->skipped;
	else if (peer->fd == server->maker && now)
		tasks = &now->tasks;
	return tasks &&
	       tracker_take(tasks, message, server->record->page_size) == 0;
}

static bool is_last(const struct record *record,
		    const struct tracker_base *round)
{
	return round->generation == record->generation &&
	       !memcmp(round->id, record->id, sizeof(round->id));
}

static bool begin_round(struct server *server, struct peer *peer,
			const struct tracker_packet *packet)
{
	if (packet->open.version != TRACKER_VERSION ||
	    peer->fd == server->maker)
		return false;
	peer->waits = true;
	peer->base = packet->open.base;
	grant_next(server);
	return true;
}

/* The maker need not wait until what is new is tracked. */
static bool commit(struct server *server, const struct peer *peer)
{
	const struct recorded_round *now = record_now(server->record);

	record_commit(server->record);
	answer(peer, true);
	if (now && server->record->method == TRACKER_UFFD)
		arm_new(&server->armed, &now->tasks);
	end_round(server);
	return true;
}

/* False: a peer to get rid of. */
static bool obey(struct server *server, struct peer *peer,
		 struct tracker_message *message)
{
	const struct tracker_packet *packet = &message->packet;
	bool makes = peer->fd == server->maker;

	switch (packet->verb) {
	case TRACKER_OPEN:
		return begin_round(server, peer, packet);
	case TRACKER_CLEAR:
		if (makes)
			record_clear(server->record);
		return makes;
	case TRACKER_COMMIT:
		return makes && commit(server, peer);
	case TRACKER_TASK:
	case TRACKER_RUNS:
		return take_report(server, peer, message);
	case TRACKER_SKIPPED:
		peer->skipped_of = packet->generation;
		return true;
	case TRACKER_CONFIRM:
		end_skipped(server, peer);
		answer(peer, is_last(server->record, &packet->open.base));
		return true;
	case TRACKER_STATUS:
		tell_status(server, peer);
		return true;
	case TRACKER_STOP:
		server->stops = true;
		answer(peer, true);
		return true;
	default:
		return false;
	}
}

static void hear(struct server *server, size_t i)
{
	static struct tracker_message message;
	struct peer *peer = &server->peers[i];

	if (tracker_receive(peer->fd, &message) <= 0 ||
	    !obey(server, peer, &message))
		drop_peer(server, i);
	tracker_forget(&message);
}

static size_t nr_of(const struct buf *list)
{
	return list->size / sizeof(int);
}

static struct pollfd *gather(const struct server *server, size_t *nr)
{
	const struct buf *lists[] = {&server->listeners, &server->targets};
	struct pollfd *fds;

	*nr = 0;
	fds = calloc(1 + nr_of(lists[0]) + nr_of(lists[1]) + server->nr_peers,
		     sizeof(*fds));
	if (!fds)
		die(EXIT_SYSTEM, "no memory");
	fds[(*nr)++] = (struct pollfd){server->signals, POLLIN, 0};
	for (int list = 0; list < 2; list++)
		for (size_t i = 0; i < nr_of(lists[list]); i++)
			fds[(*nr)++] = (struct pollfd){
				((int *)lists[list]->data)[i], POLLIN, 0};
	for (size_t i = 0; i < server->nr_peers; i++)
		fds[(*nr)++] = (struct pollfd){server->peers[i].fd, POLLIN, 0};
	return fds;
}

/* A process that has ended is waited for no more. */
static void note_ended(struct server *server, size_t i)
{
	int *targets = (int *)server->targets.data;

	close(targets[i]);
	targets[i] = targets[nr_of(&server->targets) - 1];
	server->targets.size -= sizeof(int);
	if (!server->targets.size)
		server->stops = true;
}

/* From the last one down, since what has ended is replaced by the last. */
static void turn(struct server *server)
{
	size_t nr;
	own_free struct pollfd *fds = gather(server, &nr);
	size_t nr_listeners = nr_of(&server->listeners);
	size_t nr_targets = nr_of(&server->targets);
	size_t peers = 1 + nr_listeners + nr_targets;

	if (poll(fds, nr, server->armed.waiting.size ? RETRY_MS : -1) < 0)
		return;
	for (size_t i = nr; i-- > peers;)
		if (fds[i].revents)
			hear(server, i - peers);
	for (size_t i = nr_targets; i-- > 0;)
		if (fds[1 + nr_listeners + i].revents)
			note_ended(server, i);
	for (size_t i = 0; i < nr_listeners; i++)
		if (fds[1 + i].revents)
			take_peer(server, fds[1 + i].fd);
	if (fds[0].revents)
		server->stops = true;
	arm_waiting(&server->armed);
}

void server_run(struct server *server)
{
	while (!server->stops)
		turn(server);
}
