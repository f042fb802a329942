// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/arch.h"

#ifdef __x86_64__

#include <sys/ptrace.h>
#include <sys/user.h>

/* PTRACE_GETREGS gives 64-bit registers for a 32-bit target too. */
uint64_t arch_stack_pointer(pid_t tid)
{
	struct user_regs_struct regs;

	return ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0 ? 0 : regs.rsp;
}

#endif
