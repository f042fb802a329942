// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/arch.h"

#ifdef __x86_64__

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define ERESTARTNOHAND 514   /* include/linux/errno.h */
#define CS_32          0x23  /* __USER32_CS: an i386 program */
#define CS_64          0x33  /* __USER_CS */
#define SS_USER        0x2b  /* __USER_DS */
#define FLAGS_TF_DF    0x500 /* single step, and string direction */

/* The newer ones are not in every libc's headers. */
#define NR_IO_PGETEVENTS  333
#define NR_IO_URING_ENTER 426
#define NR_EPOLL_PWAIT2   441

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum {
	I386_IPC = 117,
	I386_RT_SIGTIMEDWAIT = 177,
	I386_IO_GETEVENTS = 247,
	I386_EPOLL_WAIT = 256,
	I386_EPOLL_PWAIT = 319,
	I386_IO_PGETEVENTS = 385,
	I386_IO_PGETEVENTS_TIME64 = 416,
	I386_SEMTIMEDOP_TIME64 = 420,
	I386_RT_SIGTIMEDWAIT_TIME64 = 421,
	I386_IO_URING_ENTER = 426,
	I386_EPOLL_PWAIT2 = 441,
};
#define IPC_SEMOP      1 /* include/uapi/linux/ipc.h */
#define IPC_SEMTIMEDOP 4

/* include/uapi/linux/io_uring.h */
#define ENTER_EXT_ARG     (1u << 3)
#define ENTER_EXT_ARG_REG (1u << 6)
#define GETEVENTS_ARG_TS  16 /* offset of the limit's address */

enum wait {
	WAIT_OTHER,   /* not a call that gives EINTR after a stop */
	WAIT_FOREVER, /* has no limit */
	WAIT_LIMIT,   /* has one in a register */
	WAIT_MEMORY,  /* has one elsewhere */
};

static enum wait limit_at(uint64_t address)
{
	return address ? WAIT_MEMORY : WAIT_FOREVER;
}

static enum wait limit_of_epoll(uint64_t ms)
{
	return (int)ms < 0 ? WAIT_FOREVER : WAIT_LIMIT;
}

/* struct io_uring_getevents_arg, of which a limit is one field. */
static enum wait limit_of_uring(pid_t tid, uint64_t flags, uint64_t arg)
{
	long at;

	if (flags & ENTER_EXT_ARG_REG)
		return WAIT_MEMORY;
	if (!(flags & ENTER_EXT_ARG))
		return WAIT_FOREVER;
	errno = 0;
	at = ptrace(PTRACE_PEEKDATA, tid, arg + GETEVENTS_ARG_TS, NULL);
	return errno ? WAIT_MEMORY : limit_at((uint64_t)at);
}

static enum wait wait_of_64(pid_t tid, const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return limit_of_epoll(regs->r10);
	case NR_EPOLL_PWAIT2:
	case SYS_semtimedop:
		return limit_at(regs->r10);
	case SYS_rt_sigtimedwait:
		return limit_at(regs->rdx);
	case SYS_semop:
		return WAIT_FOREVER;
	case SYS_io_getevents:
	case NR_IO_PGETEVENTS:
		return limit_at(regs->r8);
	case NR_IO_URING_ENTER:
		return limit_of_uring(tid, regs->r10, regs->r8);
	default:
		return WAIT_OTHER;
	}
}

/*
 * Arguments in ebx, ecx, edx, esi, edi, ebp.  esi, with epoll's limit, belongs
 * to the caller (the i386 ABI), so it is not ours to change.
 */
static enum wait wait_of_32(pid_t tid, const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case I386_EPOLL_WAIT:
	case I386_EPOLL_PWAIT:
		return limit_of_epoll(regs->rsi) == WAIT_FOREVER ? WAIT_FOREVER
								 : WAIT_MEMORY;
	case I386_EPOLL_PWAIT2:
	case I386_SEMTIMEDOP_TIME64:
		return limit_at(regs->rsi);
	case I386_RT_SIGTIMEDWAIT:
	case I386_RT_SIGTIMEDWAIT_TIME64:
		return limit_at(regs->rdx);
	case I386_IPC: /* its number has a version in the upper half */
		if ((uint16_t)regs->rbx == IPC_SEMOP)
			return WAIT_FOREVER;
		return (uint16_t)regs->rbx == IPC_SEMTIMEDOP
			       ? limit_at(regs->rbp)
			       : WAIT_OTHER;
	case I386_IO_GETEVENTS:
	case I386_IO_PGETEVENTS:
	case I386_IO_PGETEVENTS_TIME64:
		return limit_at(regs->rdi);
	case I386_IO_URING_ENTER:
		return limit_of_uring(tid, regs->rsi, regs->rdi);
	default:
		return WAIT_OTHER;
	}
}

/* Does an instruction at code load r10, as a compiler or a libc writes it? */
static bool loads_r10(const uint8_t *code)
{
	uint8_t rex = code[0];
	uint8_t modrm = code[2];
	bool to_rm = (rex & 0xf1) == 0x41 && (modrm & 0xc7) == 0xc2;
	bool to_reg = (rex & 0xf4) == 0x44 && (modrm & 0x38) == 0x10;

	return (code[1] == 0x89 && to_rm) ||       /* mov reg, r10 */
	       (code[1] == 0x8b && to_reg) ||      /* mov reg or memory, r10 */
	       (code[1] == 0x63 && to_reg) ||      /* movslq */
	       (rex == 0x41 && code[1] == 0xba) || /* mov $n, r10d */
	       (rex == 0x49 && code[1] == 0xc7 && modrm == 0xc2);
}

#define CODE_BYTES 48 /* glibc: up to 26 from the load to the call */

/*
 * The kernel keeps r10 through a call, and a loop around a system call that
 * is written inline may count on that.  Not so where r10 is loaded right
 * before each call, as in the wrappers of the C libraries.
 */
static bool r10_is_loaded_anew(pid_t tid, uint64_t rip)
{
	uint8_t code[CODE_BYTES];
	uint64_t start = rip - 2 - CODE_BYTES; /* the call itself has 2 */

	for (size_t i = 0; i < CODE_BYTES; i += sizeof(long)) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKTEXT, tid, start + i, NULL);
		if (errno)
			return false;
		memcpy(code + i, &word, sizeof(word));
	}
	for (size_t i = 0; i + 3 <= CODE_BYTES; i++)
		if (loads_r10(code + i))
			return true;
	return false;
}

static uint64_t milliseconds(uint64_t ns)
{
	uint64_t ms = (ns + MS_NS - 1) / MS_NS;

	return ms < INT_MAX ? ms : INT_MAX;
}

/* What is left of a limit; UINT64_MAX when that cannot be told or set. */
static uint64_t left_of_limit(pid_t tid, const struct user_regs_struct *regs,
			      uint64_t slept_ns)
{
	uint64_t limit_ns = (uint32_t)regs->r10 * MS_NS;

	if (slept_ns == UINT64_MAX || !r10_is_loaded_anew(tid, regs->rip))
		return UINT64_MAX;
	return limit_ns > slept_ns ? limit_ns - slept_ns : 0;
}

static void mend(pid_t tid, struct user_regs_struct *regs, uint64_t slept_ns,
		 struct arch_stop *stop)
{
	bool is_32 = regs->cs == CS_32;
	enum wait wait = is_32 ? wait_of_32(tid, regs) : wait_of_64(tid, regs);

	if (wait == WAIT_LIMIT)
		stop->left_ns = left_of_limit(tid, regs, slept_ns);
	if (stop->left_ns != UINT64_MAX)
		regs->r10 = milliseconds(stop->left_ns);
	else if (wait != WAIT_FOREVER)
		return;
	regs->rax = (unsigned long)-ERESTARTNOHAND;
	ptrace(PTRACE_SETREGS, tid, 0, regs);
}

/* PTRACE_GETREGS gives 64-bit registers for a 32-bit target too. */
struct arch_stop arch_mend_stop(pid_t tid, uint64_t slept_ns)
{
	struct user_regs_struct regs;
	struct arch_stop stop = {.left_ns = UINT64_MAX};

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return stop;
	stop.sp = regs.rsp;
	if ((int)regs.rax == -EINTR && (long)regs.orig_rax >= 0)
		mend(tid, &regs, slept_ns, &stop);
	return stop;
}

bool arch_has_limit(long nr, const uint64_t args[6])
{
	return (nr == SYS_epoll_wait || nr == SYS_epoll_pwait) &&
	       limit_of_epoll(args[3]) == WAIT_LIMIT;
}

void arch_set_limit(pid_t tid, uint64_t left_ns)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return;
	regs.r10 = milliseconds(left_ns);
	ptrace(PTRACE_SETREGS, tid, 0, &regs);
}

const uint8_t arch_syscall[] = {0x0f, 0x05};
const size_t arch_syscall_size = sizeof(arch_syscall);
const size_t arch_syscall_align = 1;
const bool arch_steps = true;

static_assert(sizeof(struct user_regs_struct) <= sizeof(struct arch_registers),
	      "room for all registers");

int arch_get_registers(pid_t tid, struct arch_registers *registers)
{
	return ptrace(PTRACE_GETREGS, tid, 0, registers) < 0 ? -1 : 0;
}

int arch_set_registers(pid_t tid, const struct arch_registers *registers)
{
	return ptrace(PTRACE_SETREGS, tid, 0, registers) < 0 ? -1 : 0;
}

/* A stop shows it. */
int arch_reveal(pid_t tid, struct arch_registers *own, int (*cross)(void *),
		void *remote)
{
	(void)tid;
	(void)own;
	(void)cross;
	(void)remote;
	return 0;
}

/* A 64-bit call works in an i386 program too: the mode is in cs. */
struct arch_registers arch_call(const struct arch_registers *own,
				uint64_t instruction, long nr,
				const uint64_t args[6])
{
	struct arch_registers call = {0};
	struct user_regs_struct regs;

	memcpy(&regs, own, sizeof(regs));
	regs.orig_rax = (unsigned long)-1; /* nothing to be made again */
	regs.rax = (unsigned long)nr;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	regs.rip = instruction;
	regs.cs = CS_64;
	regs.ss = SS_USER;
	regs.eflags &= ~(unsigned long)FLAGS_TF_DF;
	memcpy(&call, &regs, sizeof(regs));
	return call;
}

int arch_enter(pid_t tid, const struct arch_registers *call)
{
	(void)tid;
	(void)call;
	return 0;
}

int64_t arch_result(const struct arch_registers *registers)
{
	struct user_regs_struct regs;

	memcpy(&regs, registers, sizeof(regs));
	return (int64_t)regs.rax;
}

#endif
