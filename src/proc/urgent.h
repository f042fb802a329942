// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * SCHED_FIFO for the part of our work that a stopped target waits for, where
 * the system allows it.  Without it, a target with more busy threads than
 * there are CPUs kept its own keeper waiting for up to 170 ms (64 threads, 2
 * CPUs, Linux 6.18; 1 ms with it).  The target's scheduling is not touched.
 */
#ifndef PROC_URGENT_H
#define PROC_URGENT_H

void urgent_begin(void);
void urgent_end(void);

#endif
