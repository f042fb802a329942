// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Since when a thread sleeps in a system call with a time limit, so that the
 * limit can be put right when the call has to be made again (proc/arch.h).
 *
 * That is in se.exec_start of /proc/PID/task/TID/sched: the
 * clock of the CPU that it ran on last, rq_clock_task() in kernel/sched.  That
 * clock is no other clock, and each CPU has its own; so we go to that CPU and
 * look at our own exec_start.  Where anything of this is missing (no
 * CONFIG_SCHED_DEBUG, a CPU that we may not use), nothing is known.
 */
#ifndef PROC_SLEEPER_H
#define PROC_SLEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sleeper {
	bool known;
	uint64_t since_ns; /* clock_ns(); 0: it did not sleep in such a call */
	uint64_t runs;     /* how often it had been given a CPU */
	uint64_t sleeps;   /* how often it had given one up */
};

#define SLEEPER_CPUS 1024

/* How far each CPU's clock is behind clock_ns(); for one pass over threads. */
struct sleeper_clocks {
	uint64_t behind_ns[SLEEPER_CPUS]; /* 0: not known */
};

/* Looks at a thread that runs, or sleeps. */
struct sleeper sleeper_look(pid_t pid, pid_t tid,
			    struct sleeper_clocks *clocks);

/*
 * For how long it slept in its call, now that it was stopped.  If it has been
 * awake since the look, but for the stop itself, that was too short to count:
 * 0, so that no limit ends early.  UINT64_MAX: not known.
 */
uint64_t sleeper_slept(pid_t pid, pid_t tid, const struct sleeper *sleeper);

#endif
