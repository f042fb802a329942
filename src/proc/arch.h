// SPDX-License-Identifier: GPL-3.0-or-later
/* What depends on the CPU; one arch_*.c for each. */
#ifndef PROC_ARCH_H
#define PROC_ARCH_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Puts right what the stop did to the system call of a ptrace-stopped thread.
 *
 * Some calls give EINTR after any stop, also where no signal came (signal(7),
 * "Interruption of system calls and library functions by stop signals").
 * Where such a call waits without a time limit, its -EINTR is turned into
 * ERESTARTNOHAND, which is what the kernel itself has for the others: it is
 * made again, or gives EINTR if a handler runs.  The kernel decides when the
 * thread runs on, so this holds whether we detach or die.
 *
 * A call with a time limit would begin it anew: it keeps its EINTR.
 *
 * Returns the stack pointer; 0 when it cannot be had.
 */
uint64_t arch_mend_stop(pid_t tid);

#endif
