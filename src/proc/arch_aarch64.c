// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/arch.h"

#ifdef __aarch64__

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

/*
 * Here the kernel decides before it stops a thread whether its call is made
 * again, goes back to the instruction, and shows only what comes of that
 * (do_signal() in arch/arm64/kernel/signal.c).  Of a call that gives EINTR,
 * the first argument, which is in the same register, is gone: it cannot be
 * made again.
 */

/* include/linux/errno.h */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516

#define NR_FUTEX_WAITV 449 /* not in every libc's headers */

/* What struct arch_registers has: user_regs_struct, and behind that */
enum {
	X0 = 0,
	X8 = 8, /* the number of a call that begins */
	PC = 32,
	PSTATE = 33,
	NUMBER = 34, /* of the call that the thread is in; -1: none */
	FIRST = 35,  /* argument: the kernel keeps what x0 was at its begin */
};
static_assert(sizeof(struct user_regs_struct) == NUMBER * sizeof(uint64_t),
	      "these are all registers");

#define NO_CALL      UINT64_MAX
#define PSTATE_BTYPE UINT64_C(0xc00) /* set by an indirect jump */

/* A 32-bit target has fewer. */
static int get_user_regs(pid_t tid, uint64_t *all)
{
	struct iovec place = {all, sizeof(struct user_regs_struct)};

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &place) < 0)
		return -1;
	if (place.iov_len == sizeof(struct user_regs_struct))
		return 0;
	errno = ENOTSUP;
	return -1;
}

struct arch_stop arch_mend_stop(pid_t tid, uint64_t slept_ns)
{
	struct arch_stop stop = {.left_ns = UINT64_MAX};
	struct user_regs_struct regs;

	(void)slept_ns;
	if (get_user_regs(tid, (uint64_t *)&regs) == 0)
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

/* --- for system calls that a target makes for us --- */

const uint8_t arch_syscall[] = {0x01, 0x00, 0x00, 0xd4}; /* svc #0 */
const size_t arch_syscall_size = sizeof(arch_syscall);
const size_t arch_syscall_align = sizeof(arch_syscall);
const bool arch_steps = false;

int arch_get_registers(pid_t tid, struct arch_registers *registers)
{
	int number;
	struct iovec place = {&number, sizeof(number)};

	if (get_user_regs(tid, registers->all) < 0 ||
	    ptrace(PTRACE_GETREGSET, tid, NT_ARM_SYSTEM_CALL, &place) < 0)
		return -1;
	registers->all[NUMBER] = (uint64_t)number;
	registers->all[FIRST] = registers->all[X0];
	return 0;
}

/* At a border of a system call the kernel keeps its own x7. */
int arch_set_registers(pid_t tid, const struct arch_registers *registers)
{
	struct user_regs_struct regs;
	int number = (int)registers->all[NUMBER];
	struct iovec all = {&regs, sizeof(regs)};
	struct iovec place = {&number, sizeof(number)};

	memcpy(&regs, registers->all, sizeof(regs));
	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all) < 0 ||
			       ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL,
				      &place) < 0
		       ? -1
		       : 0;
}

static bool is_at_call(pid_t tid, const struct arch_registers *own)
{
	uint32_t code;
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, tid, own->all[PC], NULL);
	code = (uint32_t)word;
	return !errno && !memcmp(&code, arch_syscall, sizeof(code));
}

static int error_of_futex(const struct arch_registers *own)
{
	switch (own->all[1] & (uint64_t)FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return ERESTARTSYS;
	default:
		return ERESTARTNOINTR;
	}
}

/*
 * What the kernel had for that call, or has when the call is interrupted at
 * its begin, which looks the same: for one that does not block, what has it
 * made always.
 */
static int error_of_call(const struct arch_registers *own, uint64_t number)
{
	switch (number) {
	case SYS_restart_syscall: /* the kernel has put that there */
		return ERESTART_RESTARTBLOCK;
	case SYS_ppoll:
	case SYS_pselect6:
	case SYS_rt_sigsuspend:
	case SYS_clock_nanosleep:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return ERESTARTNOHAND;
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_splice:
	case SYS_vmsplice:
	case SYS_tee:
	case SYS_openat:
	case SYS_flock:
	case SYS_fcntl:
	case SYS_wait4:
	case SYS_waitid:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_mq_timedreceive:
	case SYS_mq_timedsend:
	case NR_FUTEX_WAITV:
		return ERESTARTSYS;
	case SYS_futex:
		return error_of_futex(own);
	default:
		return ERESTARTNOINTR;
	}
}

/*
 * A thread at the instruction of a call is let into it, where the kernel shows
 * by its number whether it goes on with an earlier one; the call is not made.
 * Then own is what the kernel had before it decided, so that it can again,
 * after whatever has come meanwhile.
 */
int arch_reveal(pid_t tid, struct arch_registers *own, int (*cross)(void *),
		void *remote)
{
	struct arch_registers inside;
	uint64_t number;

	if (!is_at_call(tid, own))
		return 0;
	if (cross(remote) < 0 || arch_get_registers(tid, &inside) < 0)
		return -1;
	number = inside.all[NUMBER];
	inside.all[NUMBER] = NO_CALL;
	if (arch_set_registers(tid, &inside) < 0 || cross(remote) < 0)
		return -1;
	own->all[X0] = (uint64_t)-error_of_call(own, number);
	own->all[X8] = inside.all[X8];
	own->all[PC] = inside.all[PC];
	own->all[NUMBER] = number;
	return 0;
}

/*
 * It begins with the first argument of the interrupted one in x0, so that the
 * kernel keeps that.
 */
struct arch_registers arch_call(const struct arch_registers *own,
				uint64_t instruction, long nr,
				const uint64_t args[6])
{
	struct arch_registers call = *own;

	memcpy(call.all, args, 6 * sizeof(*args));
	call.all[X0] = own->all[FIRST];
	call.all[FIRST] = args[0];
	call.all[X8] = (uint64_t)nr;
	call.all[PC] = instruction;
	call.all[PSTATE] &= ~PSTATE_BTYPE;
	call.all[NUMBER] = NO_CALL; /* none that is to be made again */
	return call;
}

int arch_enter(pid_t tid, const struct arch_registers *call)
{
	struct arch_registers inside;

	if (arch_get_registers(tid, &inside) < 0)
		return -1;
	inside.all[X0] = call->all[FIRST];
	return arch_set_registers(tid, &inside);
}

int64_t arch_result(const struct arch_registers *registers)
{
	return (int64_t)registers->all[X0];
}

#endif
