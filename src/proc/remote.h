// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * System calls that a target makes for us: one thread of it is stopped by
 * ptrace(2), is given the registers of a call, makes it, and goes on as if
 * nothing had been: its own call is made again or gives EINTR as the kernel
 * decides, its rseq section is aborted as it would have been, its signals,
 * stopped state and seccomp filter are as before.
 *
 * While the registers are not its own our death would let it run on with
 * them, which it does not survive: some 50 us for a call.  So that it is no
 * more on a busy machine, the thread has real-time priority meanwhile, where
 * the system allows it.  Signals are blocked; only SIGKILL and SIGSTOP come
 * through.
 *
 * To be used in a process of its own: if the thread does not stop in time,
 * that process just ends, and the kernel detaches.  A timer ends it too, when
 * it is stopped itself, but not while the registers are not the target's own.
 */
#ifndef PROC_REMOTE_H
#define PROC_REMOTE_H

#include "proc/arch.h"
#include "vm/vaddr.h"

#include <signal.h>

#define REMOTE_SIGNALS 8

struct remote {
	pid_t pid;
	pid_t tid;
	vaddr_t instruction; /* of a system call, in the target */
	struct arch_registers own;
	uint64_t mask; /* of blocked signals */
	vaddr_t rseq;  /* where rseq_cs is; 0: not in a critical section */
	uint64_t rseq_cs;
	bool filtered;               /* by seccomp(2) */
	int policy;                  /* sched(7); -1: left as it is */
	int signals[REMOTE_SIGNALS]; /* that came and were held back */
	int nr_signals;
	bool disturbed; /* its registers and more are not its own */
};

/*
 * Stops thread tid.  -1 with errno: ESRCH it is gone; EPERM it may not be
 * traced, or is traced already; ETIMEDOUT it does not stop; ENOTSUP it has
 * no code that makes system calls, or a filter that we may not suspend.
 */
int remote_begin(struct remote *remote, pid_t pid, pid_t tid,
		 uint64_t limit_ns);

/* What the kernel gives: negative for an error.  -1 with errno: it died. */
int remote_call(struct remote *remote, long nr, const uint64_t args[6],
		int64_t *result);

/* Everything as before, and let it run. */
int remote_end(struct remote *remote);

#endif
