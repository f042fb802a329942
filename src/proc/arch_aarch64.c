// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/arch.h"

#ifdef __aarch64__

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

/*
 * Here the kernel decides before it stops a thread whether its call is made
 * again (do_signal() in arch/arm64/kernel/signal.c), and shows what comes of
 * that: of a call that gives EINTR, the first argument is gone.  So those
 * calls give EINTR.
 */

struct arch_stop arch_mend_stop(pid_t tid, uint64_t slept_ns)
{
	struct user_regs_struct regs;
	struct iovec place = {&regs, sizeof(regs)};
	struct arch_stop stop = {.left_ns = UINT64_MAX};

	(void)slept_ns;
	/* a 32-bit target has fewer registers */
	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &place) == 0 &&
	    place.iov_len == sizeof(regs))
		stop.sp = regs.sp;
	return stop;
}

bool arch_has_limit(long nr, const uint64_t args[6])
{
	(void)nr;
	(void)args;
	return false;
}

void arch_set_limit(pid_t tid, uint64_t left_ns)
{
	(void)tid;
	(void)left_ns;
}

#endif
