// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What depends on the CPU; one arch_*.c for each.
 *
 * Some system calls give EINTR after any stop, also where no signal came
 * (signal(7), "Interruption of system calls and library functions by stop
 * signals").  The kernel leaves that in the registers of a stopped thread;
 * turned into ERESTARTNOHAND, which is what it has for the other calls, the
 * call is made again, or gives EINTR if a handler runs.  The kernel decides
 * when the thread runs on, so this holds whether we detach or die.
 *
 * A call that is made again begins its time limit anew.  Where the limit is in
 * a register (epoll_wait), what is left of it is put there.  Where it is in
 * the target's memory or in a socket, the call keeps its EINTR.
 */
#ifndef PROC_ARCH_H
#define PROC_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Is that a call whose time limit can be put right?  nr and the arguments as
 * in /proc/PID/syscall, proc(5).
 */
bool arch_has_limit(long nr, const uint64_t args[6]);

struct arch_stop {
	uint64_t sp;      /* vaddr; 0: not known */
	uint64_t left_ns; /* of a limit that was set; UINT64_MAX: none was */
};

/*
 * Mends the call of a ptrace-stopped thread, which slept in it for slept_ns;
 * UINT64_MAX: not known.
 */
struct arch_stop arch_mend_stop(pid_t tid, uint64_t slept_ns);

/* Sets the limit anew, after a stop that set one. */
void arch_set_limit(pid_t tid, uint64_t left_ns);

/* --- for system calls that a target makes for us (proc/remote.h) --- */

/* All registers of a stopped thread, and what else its call consists of. */
struct arch_registers {
	uint64_t all[40];
};

/* The instruction that makes a system call; its address is a multiple. */
extern const uint8_t arch_syscall[];
extern const size_t arch_syscall_size;
extern const size_t arch_syscall_align;

int arch_get_registers(pid_t tid, struct arch_registers *registers);
int arch_set_registers(pid_t tid, const struct arch_registers *registers);

/*
 * Makes own say what has become of the thread's call, as arch_set_registers()
 * is to tell the kernel at last, where a stop does not show that.  cross()
 * lets the thread run to the next border of a system call.
 */
int arch_reveal(pid_t tid, struct arch_registers *own, int (*cross)(void *),
		void *remote);

/* Those of own, but about to make that call at that instruction. */
struct arch_registers arch_call(const struct arch_registers *own,
				uint64_t instruction, long nr,
				const uint64_t args[6]);

/* Does a single step make the call, or must it be taken over its borders? */
extern const bool arch_steps;

/* At the border into the call, before it is made; not where a step does. */
int arch_enter(pid_t tid, const struct arch_registers *call);

/* What the call gave; negative: an error. */
int64_t arch_result(const struct arch_registers *registers);

#endif
