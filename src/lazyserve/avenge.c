// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/avenge.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/dir.h"
#include "base/num.h"
#include "lazyserve/announce.h"
#include "lazyserve/fill.h"
#include "proc/task.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOON_NS (2 * S_NS) /* what is killed should be gone by then */

/* Who was announced on it and not yet read is known then. */
static void end_connection(struct guard *tasks, int socket)
{
	pid_t pid;

	shutdown(socket, SHUT_RD);
	while ((pid = announce_drain(socket)) >= 0)
		if (pid)
			guard_add(tasks, pid);
	shutdown(socket, SHUT_RDWR);
}

/* It has this from the listener. */
static bool is_connection(int fd)
{
	int listens = 1;
	int credentials = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &credentials, &size) ==
		       0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ==
		       0 &&
	       credentials && !listens;
}

/* -1: not each of our descriptors could be looked at. */
static int for_each_fd(void (*visit)(void *context, int fd), void *context)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int result = dir ? 0 : -1;
	uint64_t fd;

	while (dir && (entry = dir_next(dir, &result)))
		if (num_parse(entry->d_name, &fd) == 0)
			visit(context, (int)fd);
	if (dir)
		closedir(dir);
	return result;
}

static void end_if_connection(void *tasks, int fd)
{
	if (is_connection(fd))
		end_connection(tasks, fd);
}

/* Also the one that was let in, and the daemon has not come to say so. */
static void end_connections(struct guard *tasks)
{
	uint64_t until = clock_ns() + SOON_NS;

	while (for_each_fd(end_if_connection, tasks) < 0 && clock_ns() < until)
		usleep(1000);
}

/* The next that waits; -1: nobody.  Who came is to be known. */
static int accept_next(int listener)
{
	uint64_t until = clock_ns() + SOON_NS;
	int socket;

	do
		socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (socket < 0 && errno != EAGAIN && errno != EINVAL &&
	       clock_ns() < until && usleep(1000) == 0);
	return socket;
}

/* Restore, too, is to fail, also one that nobody has let in yet. */
static void end_restore(struct guard *tasks)
{
	int listener = atomic_load(&tasks->shared->listener);
	int socket = atomic_load(&tasks->shared->socket);

	if (socket >= 0)
		end_connection(tasks, socket);
	end_connections(tasks);
	if (listener >= 0)
		shutdown(listener, SHUT_RDWR); /* nobody comes any more */
	while (listener >= 0 && (socket = accept_next(listener)) >= 0)
		end_connection(tasks, socket);
}

/* How many still lived. */
static unsigned signal_all(const struct guard_shared *shared, int number)
{
	uint32_t nr = atomic_load(&shared->nr);
	unsigned hit = 0;

	for (uint32_t i = 0; i < nr; i++)
		if (pidfd_send_signal(shared->tasks[i].pidfd, number, NULL,
				      0) == 0)
			hit++;
	return hit;
}

struct living {
	uint32_t page_size;
	unsigned nr;
};

static void count_if_alive(void *context, int fd)
{
	struct living *living = context;

	if (fill_is_uffd(fd) && fill_is_alive(fd, living->page_size))
		living->nr++;
}

/* Memories that pages are missing of, and whose process lives; one more where
 * we could not look at all. */
static unsigned count_alive(uint32_t page_size)
{
	struct living living = {page_size, 0};

	if (for_each_fd(count_if_alive, &living) < 0)
		living.nr++;
	return living.nr;
}

static void hold(uint32_t page_size)
{
	while (count_alive(page_size))
		usleep(100000);
}

/* A parent that is killed before its children were looked for leads to them no
 * more. */
static void search(struct guard *tasks, uint64_t until)
{
	while (guard_search(tasks) < 0 && clock_ns() < until)
		usleep(1000);
}

/* Children that come meanwhile are found by the next pass. */
static unsigned kill_all(struct guard *tasks)
{
	uint64_t until = clock_ns() + SOON_NS;
	unsigned killed = 0;

	signal_all(tasks->shared, SIGSTOP);
	do {
		unsigned hit;

		search(tasks, until);
		hit = signal_all(tasks->shared, SIGKILL);
		killed = hit > killed ? hit : killed;
		usleep(1000);
	} while (count_alive(tasks->page_size) && clock_ns() < until);
	return killed;
}

static void avenge_by_killing(struct guard *tasks)
{
	unsigned killed = kill_all(tasks);
	unsigned left = count_alive(tasks->page_size);

	if (!killed && !left)
		return; /* they have ended by themselves */
	complain("the daemon has ended too early: killed %u process%s, whose "
		 "missing pages would have read as zeros; restore again",
		 killed, killed == 1 ? "" : "es");
	if (!left)
		return;
	complain("%u more could not be found: each waits at its first missing "
		 "page for as long as this process (%d) lives; kill them first",
		 left, getpid());
	hold(tasks->page_size);
}

static void avenge_by_stopping(struct guard *tasks)
{
	unsigned stopped;

	signal_all(tasks->shared, SIGSTOP);
	search(tasks, clock_ns() + SOON_NS);
	stopped = signal_all(tasks->shared, SIGSTOP);
	complain("the daemon has ended too early: stopped %u process%s, whose "
		 "missing pages would read as zeros, and hold%s for as long "
		 "as this process (%d) lives; look at them, then kill them and "
		 "restore again",
		 stopped, stopped == 1 ? "" : "es",
		 stopped == 1 ? " it" : " them", getpid());
	hold(tasks->page_size);
}

void avenge(const struct guard *guard)
{
	struct guard tasks = *guard;

	for (int i = 0; i < GUARD_SPARE; i++)
		close(guard->spare[i]);
	end_restore(&tasks);
	if (!atomic_load(&guard->shared->nr) && !count_alive(guard->page_size))
		return; /* nothing was handed over yet */
	if (guard->deed == GUARD_STOPS)
		avenge_by_stopping(&tasks);
	else
		avenge_by_killing(&tasks);
}
