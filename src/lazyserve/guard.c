// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/guard.h"

#include "base/buf.h"
#include "lazyserve/avenge.h"
#include "proc/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Out of reach of what is sent to our group, as ^C and timeout(1) do. */
static _Noreturn void watch(const struct guard *guard)
{
	struct pollfd daemon = {.fd = guard->self, .events = POLLIN};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "lazyserve-guard");
	while (poll(&daemon, 1, -1) < 0)
		;
	if (!atomic_load(&guard->shared->done))
		avenge(guard);
	_exit(0);
}

/* Not clone3(2), whose flags no filter sees (confine/calls.c). */
static int start(struct guard *guard)
{
	guard->pid =
		(pid_t)syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD,
			       NULL, &guard->child, NULL, NULL);
	if (guard->pid == 0)
		watch(guard);
	return guard->pid < 0 ? -1 : 0;
}

/* The table is the daemon's too: it may have died because it was full. */
static int hold_spare(struct guard *guard)
{
	for (int i = 0; i < GUARD_SPARE; i++) {
		guard->spare[i] = fcntl(guard->self, F_DUPFD_CLOEXEC, 0);
		if (guard->spare[i] < 0)
			return -1;
	}
	return 0;
}

int guard_begin(struct guard *guard, int listener)
{
	void *shared =
		mmap(NULL, sizeof(*guard->shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (shared == MAP_FAILED)
		return -1;
	guard->shared = shared;
	atomic_store(&guard->shared->listener, listener);
	atomic_store(&guard->shared->socket, -1);
	guard->self = pidfd_open(getpid(), 0);
	if (guard->self < 0 || hold_spare(guard) < 0)
		return -1;
	return start(guard);
}

int guard_renew(struct guard *guard)
{
	waitpid(guard->pid, NULL, 0);
	close(guard->child);
	return start(guard);
}

static bool is_over(int pidfd)
{
	struct pollfd task = {.fd = pidfd, .events = POLLIN};

	return poll(&task, 1, 0) > 0;
}

/* In an order in which it can be cut short anywhere. */
static void remove_ended(struct guard_shared *shared)
{
	for (uint32_t i = atomic_load(&shared->nr); i-- > 0;) {
		int pidfd = shared->tasks[i].pidfd;
		uint32_t last = atomic_load(&shared->nr) - 1;

		if (!is_over(pidfd))
			continue;
		shared->tasks[i] = shared->tasks[last];
		atomic_store(&shared->nr, last);
		close(pidfd);
	}
}

static bool has(const struct guard_shared *shared, pid_t pid)
{
	uint32_t nr = atomic_load(&shared->nr);

	for (uint32_t i = 0; i < nr; i++)
		if (shared->tasks[i].pid == pid)
			return true;
	return false;
}

int guard_add(struct guard *guard, pid_t pid)
{
	struct guard_shared *shared = guard->shared;
	uint32_t nr = atomic_load(&shared->nr);
	int pidfd;

	if (has(shared, pid))
		return 0;
	if (nr == GUARD_TASKS) {
		errno = ENOSPC;
		return -1;
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0 : -1;
	shared->tasks[nr].pid = pid;
	shared->tasks[nr].pidfd = pidfd;
	atomic_store(&shared->nr, nr + 1);
	return 0;
}

static bool is_found(const struct buf *found, pid_t pid)
{
	const pid_t *pids = (const pid_t *)found->data;

	for (size_t i = 0; i < found->size / sizeof(*pids); i++)
		if (pids[i] == pid)
			return true;
	return false;
}

int guard_search(struct guard *guard)
{
	struct guard_shared *shared = guard->shared;
	struct buf found = {0};
	uint32_t nr;
	int result = 0;

	remove_ended(shared);
	nr = atomic_load(&shared->nr);
	for (uint32_t i = 0; i < nr && result == 0; i++)
		if (!is_found(&found, shared->tasks[i].pid))
			result = task_tree(shared->tasks[i].pid, &found);
	for (size_t i = 0; i < found.size / sizeof(pid_t) && result == 0; i++)
		result = guard_add(guard, ((pid_t *)found.data)[i]);
	buf_release(&found);
	return result;
}

void guard_socket(struct guard *guard, int socket)
{
	atomic_store(&guard->shared->socket, socket);
	atomic_store(&guard->shared->listener, -1);
}

void guard_done(struct guard *guard)
{
	atomic_store(&guard->shared->done, true);
}
