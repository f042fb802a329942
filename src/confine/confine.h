// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A process that gives up what it does not need, before it reads bytes that
 * somebody else has made.  Three things, none of which can be undone:
 *
 *   CONFINED_PRIVILEGES  no_new_privs: no execve gives it more than it has
 *   CONFINED_CALLS       a list of system calls, with their arguments where
 *                        these matter, by seccomp(2); all others fail with
 *                        EPERM
 *   CONFINED_PATHS       nothing can be opened, made or removed but below the
 *                        directories that were named, by landlock(7), ABI 2
 *                        (Linux 5.19); seccomp sees no paths
 *
 * EPERM, and no signal: a tool that is refused something can say so in its one
 * line, and undo what it has begun; what has taken it over is refused the same.
 *
 * Descriptors that are open stay what they are.  Threads, and processes that
 * are made later, are confined as well.  Where a kernel, or the container
 * around us, has not got one of the three, or refuses it, the others hold.
 */
#ifndef CONFINE_CONFINE_H
#define CONFINE_CONFINE_H

#include <stddef.h>

/* Each adds to those before: what a tool may still call. */
enum confine_calls {
	CONFINE_STREAM = 1 << 0,  /* open descriptors, memory, time, an end */
	CONFINE_FILES = 1 << 1,   /* files, by an open directory */
	CONFINE_PATHS = 1 << 2,   /* files, by any path */
	CONFINE_THREADS = 1 << 3, /* threads of its own */
	CONFINE_CLIENTS = 1 << 4, /* whoever comes to an open socket */
	CONFINE_TASKS = 1 << 5,   /* pidfds, userfaultfds, a guard */
};

/* What may be done below a directory. */
enum confine_deeds {
	CONFINE_READ = 1 << 0,   /* files and directories */
	CONFINE_WRITE = 1 << 1,  /* make, write and rename files and links */
	CONFINE_REMOVE = 1 << 2, /* files and links */
	CONFINE_DIRS = 1 << 3,   /* make, rename, remove directories */
};

enum { CONFINED_PRIVILEGES = 1, CONFINED_CALLS = 2, CONFINED_PATHS = 4 };

struct confine_dir {
	int fd; /* the caller's; -1: there is none */
	unsigned deeds;
};

struct confine {
	unsigned calls;
	struct confine_dir *dirs; /* in a buffer of its own */
	size_t nr_dirs;
	/* For tests, which must see it: one call more, or "landlock" less. */
	const char *except;
};

/* -1 with errno, here and below. */
int confine_dir(struct confine *confine, int fd, unsigned deeds);

/* Gives up; what holds is told as CONFINED_*. */
int confine_begin(const struct confine *confine);

/* Frees the list, not the descriptors. */
void confine_release(struct confine *confine);

#endif
