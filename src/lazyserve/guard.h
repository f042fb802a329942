// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What if we die: the kernel closes our userfaultfds, and each page that is
 * still missing becomes, silently, one of zeros (mm/userfaultfd.c,
 * userfaultfd_release()).
 *
 * So there is a second process, the guard.  It shares our table of descriptors
 * (CLONE_FILES), so that it has each userfaultfd in the same instant as we,
 * also those that fork makes, and closing one is one act: as long as either
 * lives, all are open, and who needs a page waits.  When we are gone without
 * having said that all is done, it kills the tasks, or stops them and stays,
 * and only then may the last descriptor close.
 *
 *   daemon --- table of descriptors, shared: userfaultfds, pidfds, socket
 *   guard  -/  a page of memory, shared: done, the tasks' pids and pidfds
 *
 * Children of the tasks are looked for in /proc, after each fork and again at
 * the end.  One that is not found waits, and the guard stays with it.
 */
#ifndef LAZYSERVE_GUARD_H
#define LAZYSERVE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum guard_deed { GUARD_KILLS, GUARD_STOPS };

#define GUARD_TASKS 65536
#define GUARD_SPARE 8

struct guard_shared {
	_Atomic bool done;
	_Atomic int listener; /* that restore comes to, or -1 */
	_Atomic int socket;   /* on which it is here, or -1 */
	_Atomic uint32_t nr;
	struct {
		pid_t pid;
		int pidfd;
	} tasks[GUARD_TASKS];
};

struct guard {
	enum guard_deed deed;
	uint32_t page_size;
	struct guard_shared *shared;
	int self;               /* pidfd of the daemon */
	int child;              /* pidfd of the guard, to poll: it has ended */
	int spare[GUARD_SPARE]; /* for when the table is full */
	pid_t pid;
};

/* -1 with errno, here and below. */
int guard_begin(struct guard *guard, int listener);
/* When child can be read: a new one. */
int guard_renew(struct guard *guard);
/* 0 also where the task has ended already. */
int guard_add(struct guard *guard, pid_t pid);
/* Adds the descendants of all tasks, leaves out those that have ended. */
int guard_search(struct guard *guard);
/* The socket has taken the listener's place, and -1 the socket's. */
void guard_socket(struct guard *guard, int socket);
/* Nothing is missing any more. */
void guard_done(struct guard *guard);

#endif
