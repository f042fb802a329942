// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/serve.h"

#include "base/clock.h"
#include "base/die.h"
#include "lazyserve/answer.h"
#include "lazyserve/deliver.h"
#include "lazyserve/event.h"
#include "lazyserve/push.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS     32
#define HALFWAY_NS (10 * S_NS) /* for the rest of an announcement */

/* What an event is of: a memory, or one of these. */
static char of_announce, of_guard, of_remote;

static void watch(struct serve *serve, int fd, uint32_t events, void *of)
{
	struct epoll_event event = {.events = events, .data.ptr = of};

	if (epoll_ctl(serve->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die_errno(EXIT_SYSTEM, "cannot wait for events");
}

static void unwatch(struct serve *serve, int fd)
{
	(void)epoll_ctl(serve->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* --- memories --- */

void serve_add(struct serve *serve, struct memory *memory)
{
	if (serve->nr == serve->room) {
		size_t room = serve->room ? 2 * serve->room : 16;
		struct memory **grown =
			// NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers
			reallocarray(serve->memories, room, sizeof(*grown));

		if (!grown)
			die_errno(EXIT_SYSTEM, "no memory");
		serve->memories = grown;
		serve->room = room;
	}
	serve->memories[serve->nr++] = memory;
	serve->totals.expected += memory->left.nr_missing;
	serve->progress.expected = serve->totals.expected;
	watch(serve, memory->uffd, EPOLLIN, memory);
}

/* Wishes that are still out bring nothing to it any more. */
static void end_memory(struct serve *serve, struct memory *memory)
{
	serve->totals.expected -= memory->left.nr_missing;
	if (memory->uffd >= 0) {
		unwatch(serve, memory->uffd);
		close(memory->uffd);
	}
	memory->uffd = -1;
	memory->gone = true;
	memory_empty(memory);
}

static bool is_done(const struct serve *serve, const struct memory *memory)
{
	return memory->gone || (serve->announce.finished &&
				!memory->left.nr_missing && !memory->nr_faults);
}

static void remove_done(struct serve *serve)
{
	for (size_t i = serve->nr; i-- > 0;) {
		struct memory *memory = serve->memories[i];

		if (!is_done(serve, memory))
			continue;
		end_memory(serve, memory);
		if (memory->in_flight)
			continue;
		memory_free(memory);
		serve->memories[i] = serve->memories[--serve->nr];
	}
}

/* --- who comes in --- */

/* It is guarded before we have its memory. */
static void guard_task(struct serve *serve)
{
	pid_t pid = serve->announce.real;

	if (!pid)
		warn("a task is in another pid namespace, and not guarded");
	else if (guard_add(&serve->guard, pid) < 0)
		die_errno(EXIT_SYSTEM, "process %d: cannot guard it", pid);
}

static void take_task(struct serve *serve)
{
	struct announce *announce = &serve->announce;
	struct images *images = image_set_find(serve->set, announce->pid);
	struct memory *memory;

	if (!images)
		die(EXIT_INPUT,
		    "restore announces pid %" PRIu32 ", of which there is no "
		    "image",
		    announce->pid);
	if (images->announced)
		die(EXIT_INPUT, "restore announces pid %" PRIu32 " twice",
		    announce->pid);
	images->announced = true;
	memory = memory_new(images, announce->uffd);
	if (!memory)
		die_errno(EXIT_SYSTEM, "no memory");
	if (!serve->totals.tasks++)
		serve->totals.began_ns = clock_ns();
	serve_add(serve, memory);
	detail("pid %" PRIu32 " (%d here): %" PRIu64 " pages", announce->pid,
	       announce->real, memory->left.nr_missing);
}

static void take_zombie(struct serve *serve)
{
	uint32_t pid = serve->announce.pid;

	if (image_set_find(serve->set, pid))
		die(EXIT_INPUT,
		    "restore announces pid %" PRIu32 " as a zombie, and there "
		    "are pages of it",
		    pid);
	detail("pid %" PRIu32 " is a zombie", pid);
}

static void take_finish(struct serve *serve)
{
	for (size_t i = 0; i < serve->set->nr; i++)
		if (!serve->set->all[i].announced)
			die(EXIT_INPUT,
			    "restore says that it has finished, and has not "
			    "announced pid %" PRIu32,
			    serve->set->all[i].pid);
	serve->totals.finished_ns = clock_ns();
	unwatch(serve, serve->announce.socket);
	guard_socket(&serve->guard, -1);
	announce_close(&serve->announce);
}

/* The socket takes the listener's place. */
static void take_connection(struct serve *serve)
{
	guard_socket(&serve->guard, serve->announce.socket);
	announce_stop_listening(&serve->announce);
	watch(serve, serve->announce.socket, EPOLLIN, &of_announce);
}

static void take_outcome(struct serve *serve, enum announce_outcome outcome)
{
	switch (outcome) {
	case ANNOUNCE_WAITS:
		return;
	case ANNOUNCE_CONNECTED:
		take_connection(serve);
		return;
	case ANNOUNCE_COMING:
		guard_task(serve);
		return;
	case ANNOUNCE_TASK:
		take_task(serve);
		return;
	case ANNOUNCE_ZOMBIE:
		take_zombie(serve);
		return;
	case ANNOUNCE_FINISHED:
		take_finish(serve);
		return;
	case ANNOUNCE_ENDED:
		die(EXIT_TARGET, "restore has gone before it had finished");
	case ANNOUNCE_BAD:
		die(EXIT_INPUT, "what is on the socket is no restore: %s",
		    serve->announce.why);
	case ANNOUNCE_FORBIDDEN:
		complain("somebody else's connection refused");
		return;
	case ANNOUNCE_ERROR:
		die_errno(EXIT_SYSTEM, "cannot read the announcements");
	}
}

/* --- the loop --- */

static void take_remote(struct serve *serve, uint32_t events)
{
	if (events & EPOLLOUT && serve->remote->send(serve->remote) < 0)
		die(EXIT_INPUT, "%s", serve->remote->text);
	deliver_arrivals(serve, serve->remote);
}

/* What is to be sent waits for room. */
static void watch_remote(struct serve *serve)
{
	struct source *remote = serve->remote;
	bool sends = remote->events(remote) & POLLOUT;
	struct epoll_event event = {.data.ptr = &of_remote};

	if (sends == serve->remote_sends)
		return;
	serve->remote_sends = sends;
	event.events = (sends ? EPOLLOUT : 0u) |
		       (remote->in == remote->out ? EPOLLIN : 0u);
	if (epoll_ctl(serve->epoll, EPOLL_CTL_MOD, remote->out, &event) < 0)
		die_errno(EXIT_SYSTEM, "cannot wait for events");
}

static void take_guard(struct serve *serve)
{
	unwatch(serve, serve->guard.child);
	warn("the guard was killed; there is a new one");
	if (guard_renew(&serve->guard) < 0)
		die_errno(EXIT_SYSTEM, "cannot start another guard");
	watch(serve, serve->guard.child, EPOLLIN, &of_guard);
}

static void take_event(struct serve *serve, const struct epoll_event *event)
{
	void *of = event->data.ptr;

	if (of == &of_announce)
		take_outcome(serve, announce_next(&serve->announce));
	else if (of == &of_guard)
		take_guard(serve);
	else if (of == &of_remote)
		take_remote(serve, event->events);
	else if (!((struct memory *)of)->gone)
		event_read(serve, of);
}

/* At most a tenth of the time, however many processes there are. */
static void search(struct serve *serve, uint64_t now)
{
	serve->search_ns = 0;
	if (guard_search(&serve->guard) < 0)
		die_errno(EXIT_SYSTEM, "cannot guard the children");
	serve->rest_ns = clock_ns() + 9 * (clock_ns() - now);
}

static void check_time(struct serve *serve)
{
	uint64_t now = clock_ns();

	if (serve->announce.halfway_ns &&
	    serve->announce.halfway_ns + HALFWAY_NS < now)
		die(EXIT_INPUT, "what is on the socket is no restore: half an "
				"announcement, and no more");
	if (serve->search_ns && serve->search_ns < now && serve->rest_ns < now)
		search(serve, now);
}

/* How long nothing but an event is to be done, in ms. */
static int idle_time(const struct serve *serve)
{
	if (serve->search_ns)
		return 1;
	for (size_t i = 0; i < serve->nr; i++)
		if (serve->memories[i]->retry_ns)
			return 1;
	return serve->announce.halfway_ns ? 100 : -1;
}

static void step(struct serve *serve, bool idle)
{
	struct epoll_event events[EVENTS];
	int nr = epoll_wait(serve->epoll, events, EVENTS,
			    idle ? idle_time(serve) : 0);

	if (nr < 0 && errno != EINTR)
		die_errno(EXIT_SYSTEM, "cannot wait for events");
	for (int i = 0; i < nr; i++)
		take_event(serve, &events[i]);
	for (size_t i = 0; i < serve->nr; i++)
		if (serve->memories[i]->nr_faults && !serve->memories[i]->gone)
			answer_faults(serve, serve->memories[i]);
	if (serve->remote)
		watch_remote(serve);
	check_time(serve);
	remove_done(serve);
}

static void begin(struct serve *serve)
{
	serve->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (serve->epoll < 0)
		die_errno(EXIT_SYSTEM, "cannot wait for events");
	watch(serve, serve->announce.listener, EPOLLIN, &of_announce);
	watch(serve, serve->guard.child, EPOLLIN, &of_guard);
	if (!serve->remote)
		return;
	watch(serve, serve->remote->in, EPOLLIN, &of_remote);
	if (serve->remote->in != serve->remote->out)
		watch(serve, serve->remote->out, 0, &of_remote);
}

void serve_run(struct serve *serve)
{
	const struct totals *totals = &serve->totals;
	bool pushed = false;

	begin(serve);
	progress_begin(&serve->progress, serve->page_size, true);
	while (!serve->announce.finished || serve->nr) {
		step(serve, !pushed);
		pushed = serve->announce.finished && push_piece(serve);
		progress_show(&serve->progress,
			      totals->pushed + totals->fetched);
	}
	progress_end(&serve->progress, totals->pushed + totals->fetched);
	serve->totals.ended_ns = clock_ns();
	guard_done(&serve->guard);
}
