// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/arch.h"

#ifdef __x86_64__

#include <errno.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define ERESTARTNOHAND    514      /* include/linux/errno.h */
#define CS_64             0x33     /* __USER_CS; a 32-bit program has another */
#define ENTER_EXT_ARG     (1 << 3) /* IORING_ENTER_EXT_ARG: may have a limit */
#define NR_EPOLL_PWAIT2   441
#define NR_IO_URING_ENTER 426
#define NR_IO_PGETEVENTS  333

/* Is it a call that gives EINTR after a stop, and has it no time limit? */
static bool waits_without_limit(const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)regs->r10 < 0;
	case NR_EPOLL_PWAIT2:
	case SYS_semtimedop:
		return !regs->r10;
	case SYS_rt_sigtimedwait:
		return !regs->rdx;
	case SYS_semop:
		return true;
	case SYS_io_getevents:
	case NR_IO_PGETEVENTS:
		return !regs->r8;
	case NR_IO_URING_ENTER:
		return !(regs->r10 & ENTER_EXT_ARG);
	default:
		return false;
	}
}

/* PTRACE_GETREGS gives 64-bit registers for a 32-bit target too. */
uint64_t arch_mend_stop(pid_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return 0;
	if ((long)regs.rax == -EINTR && (long)regs.orig_rax >= 0 &&
	    regs.cs == CS_64 && waits_without_limit(&regs)) {
		regs.rax = (unsigned long)-ERESTARTNOHAND;
		ptrace(PTRACE_SETREGS, tid, 0, &regs);
	}
	return regs.rsp;
}

#endif
