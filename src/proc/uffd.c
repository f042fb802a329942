// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/uffd.h"

#include "base/clock.h"
#include "base/own.h"
#include "proc/pagescan.h"
#include "proc/remote.h"
#include "proc/task.h"
#include "proc/urgent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/userfaultfd.h; not in Debian 12's */
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define STOP_NS (100 * MS_NS) /* for one thread to stop */

/* Only memory that is told of can fault, and with WP_ASYNC none does. */
#define FLAGS (O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY)

static int enable(int uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = FEATURE_WP_ASYNC,
	};

	return ioctl(uffd, UFFDIO_API, &api) < 0 ? -1 : 0;
}

bool uffd_works(void)
{
	own_fd int uffd = (int)syscall(SYS_userfaultfd, FLAGS);
	struct pagescan *scan = pagescan_open(getpid(), 0, PAGESCAN_IOCTL);
	bool works = uffd >= 0 && enable(uffd) == 0 && scan;

	pagescan_close(scan);
	return works;
}

/* --- taking one --- */

/* The target's descriptor fd, as one of ours. */
static int copy_of(pid_t pid, int fd)
{
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

/* The thread is stopped: a call that makes it, and one that closes it. */
static int make(struct remote *remote)
{
	uint64_t args[6] = {FLAGS};
	int64_t result;
	int64_t closed;
	int uffd;

	if (remote_call(remote, SYS_userfaultfd, args, &result) < 0)
		return -1;
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	uffd = copy_of(remote->pid, (int)result);
	args[0] = (uint64_t)result;
	if (remote_call(remote, SYS_close, args, &closed) < 0)
		return -1;
	return uffd;
}

static int take_from(pid_t pid, pid_t tid)
{
	struct remote remote;
	int error = 0;
	int uffd;

	if (remote_begin(&remote, pid, tid, STOP_NS) < 0)
		return -1;
	uffd = make(&remote);
	error = errno;
	remote_end(&remote);
	errno = error;
	return uffd;
}

static bool is_traced(pid_t pid, pid_t tid)
{
	struct task_status status;

	return task_status(pid, tid, &status) == 0 && status.tracer;
}

/* Another thread may stop where one does not: it waits for its vfork child. */
static int take_from_any(pid_t pid)
{
	struct buf tids = {0};
	int uffd = -1;
	int error = ESRCH;

	task_threads(pid, &tids);
	for (size_t i = 0; i < tids.size / sizeof(pid_t) && uffd < 0; i++) {
		pid_t tid = ((pid_t *)tids.data)[i];

		uffd = take_from(pid, tid);
		if (uffd < 0 && errno == EPERM && is_traced(pid, tid))
			errno = EBUSY;
		if (uffd < 0 && errno != ESRCH)
			error = errno;
		if (uffd < 0 && errno != ESRCH && errno != ETIMEDOUT)
			break;
	}
	buf_release(&tids);
	errno = error;
	return uffd;
}

int uffd_take(pid_t pid)
{
	own_fd int uffd = -1;

	urgent_begin(URGENT_KEEPER);
	uffd = take_from_any(pid);
	urgent_end();
	if (uffd < 0 || enable(uffd) < 0)
		return -1;
	return steal_fd(&uffd);
}

bool uffd_wants(const struct vma *vma)
{
	return vma_kind(vma) == VMA_ANON;
}

static int unprotect(int uffd, vaddr_t start, vaddr_t end)
{
	struct uffdio_writeprotect range = {.range = {start, end - start}};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &range) < 0 ? -1 : 0;
}

/*
 * A mapping that mremap(2) has joined with a moved one is registered no more,
 * yet its pages look protected, and go on to when they are written, and also
 * where they move next (Linux 6.18, tried).  So they are unprotected, but for
 * those that are still registered; and they are not registered again, in case
 * they are joined right now.
 */
int uffd_register(const struct uffd_target *target, const struct vma *vma)
{
	struct uffdio_register range = {
		.range = {vma->start, vma->end - vma->start},
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	bool tracked;

	if (!uffd_wants(vma)) {
		errno = EINVAL;
		return -1;
	}
	tracked = pagescan_is_tracked(target->scan, vma->start);
	if (tracked && target->alone)
		return 0;
	if (ioctl(target->uffd, UFFDIO_REGISTER, &range) < 0)
		return -1;
	return tracked ? 0 : unprotect(target->uffd, vma->start, vma->end);
}

/* userfaultfd_writeprotect() in fs/userfaultfd.c: ESRCH comes first. */
bool uffd_lives(int uffd)
{
	return uffd_touch(uffd, (vaddr_t)sysconf(_SC_PAGESIZE)) == 0 ||
	       errno != ESRCH;
}

int uffd_touch(int uffd, vaddr_t vaddr)
{
	return unprotect(uffd, vaddr, vaddr + (uint64_t)sysconf(_SC_PAGESIZE));
}
