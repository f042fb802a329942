// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Signals that end predump: they are passed on to the commands that run, which
 * undo their own work, and predump ends by the signal when all have ended.
 *
 * A command that runs is watched by a pidfd, so that no other process is ever
 * signalled.  These functions die.
 */
#ifndef PREDUMP_GUARD_H
#define PREDUMP_GUARD_H

#include <signal.h>
#include <sys/types.h>

/* undo: what is to be done before a signal ends us; as atexit(3). */
void guard_begin(void (*undo)(void));

/* Around a fork(2): no signal comes between it and guard_watch(). */
void guard_hold(void);
void guard_release(void);
/* In the child, before it executes: signals as they were given to us, and
 * SIGTERM when we die. */
void guard_child(void);

/* A number for guard_forget() and guard_signal(). */
int guard_watch(pid_t child);
void guard_signal(int watched, int number);
void guard_forget(int watched);

/* The signal that came, or 0. */
int guard_caught(void);
_Noreturn void guard_die(void);

#endif
