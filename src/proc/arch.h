// SPDX-License-Identifier: GPL-3.0-or-later
/* What depends on the CPU; one arch_*.c for each. */
#ifndef PROC_ARCH_H
#define PROC_ARCH_H

#include <stdint.h>
#include <sys/types.h>

/* Of a ptrace-stopped thread; 0 when it cannot be had. */
uint64_t arch_stack_pointer(pid_t tid);

#endif
