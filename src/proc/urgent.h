// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * SCHED_FIFO for the part of our work that a stopped target waits for, where
 * the system allows it.  Without it, a target with more busy threads than
 * there are CPUs kept its own keeper waiting for up to 170 ms (64 threads, 2
 * CPUs, Linux 6.18; 1 ms with it).  The target's scheduling is not touched.
 */
#ifndef PROC_URGENT_H
#define PROC_URGENT_H

/*
 * The keeper goes before those who work: on a machine with one CPU it could
 * not show that it is alive, while they scan.
 */
enum urgency {
	URGENT_WORK = 10, /* sched_setscheduler(2): 1 to 99 */
	URGENT_KEEPER = 11,
};

void urgent_begin(enum urgency urgency);
void urgent_end(void);

#endif
