// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/remote.h"

#include "base/clock.h"
#include "base/own.h"
#include "proc/deadman.h"
#include "proc/maps.h"
#include "proc/procfs.h"
#include "proc/sleeper.h"
#include "proc/task.h"
#include "proc/urgent.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* include/uapi/linux/ptrace.h; not in every libc's header */
#define REQUEST_GET_SIGMASK    0x420a
#define REQUEST_SET_SIGMASK    0x420b
#define REQUEST_GET_RSEQ       0x420f
#define REQUEST_GET_DISPATCH   0x4211
#define OPTION_SUSPEND_SECCOMP (1 << 21)

#define RSEQ_CS_OFFSET 8 /* struct rseq, rseq(2) */

struct rseq_configuration {
	uint64_t rseq;
	uint32_t size;
	uint32_t signature;
	uint32_t flags;
	uint32_t pad;
};

struct dispatch_configuration {
	uint64_t mode; /* 0: off */
	uint64_t selector;
	uint64_t offset;
	uint64_t len;
};

#define CODE_PIECE (64u << 10) /* bytes */

/* --- the instruction --- */

/* In size bytes of code that are mapped at. */
static vaddr_t find_in_piece(const uint8_t *code, size_t size, vaddr_t at)
{
	const uint8_t *end = code + size;
	const uint8_t *found = code;

	while ((found = memmem(found, (size_t)(end - found), arch_syscall,
			       arch_syscall_size))) {
		vaddr_t vaddr = at + (vaddr_t)(found - code);

		if (vaddr % arch_syscall_align == 0)
			return vaddr;
		found++;
	}
	return 0;
}

static vaddr_t find_in(int mem, vaddr_t start, vaddr_t end)
{
	own_free uint8_t *code = malloc(CODE_PIECE);

	for (vaddr_t at = start; code && at < end; at += CODE_PIECE) {
		size_t size = end - at < CODE_PIECE ? end - at : CODE_PIECE;
		ssize_t n = pread(mem, code, size, (off_t)at);
		vaddr_t found = n < 0 ? 0 : find_in_piece(code, (size_t)n, at);

		if (found)
			return found;
	}
	return 0;
}

static bool has_code(const struct vma *vma, bool vdso)
{
	bool is_vdso = vma->name_size == 6 && !memcmp(vma->name, "[vdso]", 6);

	return vma->prot & VMA_EXEC && vma->prot & VMA_READ && vdso == is_vdso;
}

static vaddr_t find_in_maps(int mem, const char *maps, bool vdso)
{
	vaddr_t found = 0;
	struct vma vma;

	while (!found && maps_next(&maps, &vma) > 0)
		if (has_code(&vma, vdso))
			found = find_in(mem, vma.start, vma.end);
	return found;
}

/* In the vDSO, which every program has, or in any other code. */
static vaddr_t find_once(pid_t pid, pid_t tid)
{
	own_fd int mem = procfs_open(pid, tid, "mem");
	struct buf maps = {0};
	vaddr_t found = 0;

	if (mem < 0 || procfs_read(pid, tid, "maps", &maps) < 0)
		return 0;
	found = find_in_maps(mem, maps.data, true);
	if (!found)
		found = find_in_maps(mem, maps.data, false);
	errno = maps.size ? ENOTSUP : ESRCH; /* it has no memory any more */
	buf_release(&maps);
	return found;
}

/* A text of maps that are changed meanwhile may lack some. */
static vaddr_t find_instruction(pid_t pid, pid_t tid)
{
	vaddr_t found = find_once(pid, tid);

	return found || errno != ENOTSUP ? found : find_once(pid, tid);
}

/* --- stopping the thread --- */

/* The process's only one: it goes on for a thread that has not stopped. */
static int set_deadman(uint64_t ns)
{
	static timer_t deadman;
	static bool made;

	if (!made && deadman_make(&deadman) < 0)
		return -1;
	made = true;
	deadman_set(deadman, ns);
	return 0;
}

static bool wait_until(pid_t tid, int *status, uint64_t until)
{
	for (;;) {
		struct timespec nap = {.tv_nsec = 20000};
		pid_t pid = waitpid(tid, status, __WALL | WNOHANG);

		if (pid == tid)
			return true;
		if (pid < 0 || clock_ns() > until)
			return false;
		nanosleep(&nap, NULL);
	}
}

static bool is_event_stop(int status)
{
	return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP;
}

static int gone(int error)
{
	errno = error;
	return -1;
}

/* A signal that was on its way is delivered first. */
static int wait_for_stop(pid_t tid, uint64_t until)
{
	int status;

	while (wait_until(tid, &status, until)) {
		if (!WIFSTOPPED(status))
			return gone(ESRCH);
		if (is_event_stop(status))
			return 0;
		ptrace(PTRACE_CONT, tid, NULL, (long)WSTOPSIG(status));
	}
	return gone(ETIMEDOUT);
}

static int stop(struct remote *remote, uint64_t until)
{
	static struct sleeper_clocks clocks;
	struct sleeper sleeper;

	if (ptrace(PTRACE_SEIZE, remote->tid, NULL, PTRACE_O_TRACESYSGOOD) < 0)
		return -1;
	sleeper = sleeper_look(remote->pid, remote->tid, &clocks);
	if (ptrace(PTRACE_INTERRUPT, remote->tid, NULL, NULL) < 0 ||
	    wait_for_stop(remote->tid, until) < 0)
		return -1;
	arch_mend_stop(remote->tid,
		       sleeper_slept(remote->pid, remote->tid, &sleeper));
	return 0;
}

/* --- from border to border --- */

/* SIGSTOP cannot be blocked; it is sent again afterwards. */
static void hold_back(struct remote *remote, int number)
{
	if (remote->nr_signals < REMOTE_SIGNALS)
		remote->signals[remote->nr_signals++] = number;
}

static int wait_for_thread(pid_t tid, int *status)
{
	pid_t pid;

	do
		pid = waitpid(tid, status, __WALL);
	while (pid < 0 && errno == EINTR);
	return pid < 0 ? -1 : 0;
}

/* Until it stops with that signal. */
static int run_to(struct remote *remote, enum __ptrace_request request,
		  int number)
{
	int status;

	for (;;) {
		if (ptrace(request, remote->tid, NULL, NULL) < 0 ||
		    wait_for_thread(remote->tid, &status) < 0)
			return -1;
		if (!WIFSTOPPED(status))
			return gone(ESRCH);
		if (status >> 8 == number)
			return 0;
		if (!(status >> 16))
			hold_back(remote, WSTOPSIG(status));
	}
}

/* To the next border of a system call: into it, or out of it. */
static int cross(void *remote)
{
	return run_to(remote, PTRACE_SYSCALL, SIGTRAP | 0x80);
}

/* --- what a call must not disturb --- */

/*
 * Only while the thread is stopped: given with PTRACE_SEIZE, it let a running
 * target make calls that its filter refuses.
 */
static int suspend_filter(struct remote *remote, bool suspend)
{
	long options =
		PTRACE_O_TRACESYSGOOD | (suspend ? OPTION_SUSPEND_SECCOMP : 0);

	if (!remote->filtered)
		return 0;
	return ptrace(PTRACE_SETOPTIONS, remote->tid, NULL, options) < 0
		       ? gone(ENOTSUP)
		       : 0;
}

/* Its own system calls are given to itself: not ours to switch off. */
static bool dispatches(pid_t tid)
{
	struct dispatch_configuration dispatch = {0};

	return ptrace(REQUEST_GET_DISPATCH, tid, sizeof(dispatch), &dispatch) ==
		       0 &&
	       dispatch.mode;
}

/*
 * The kernel clears rseq_cs when the thread runs elsewhere; put back, the
 * section is aborted when it runs on, as it would have been.
 */
static void save_rseq(struct remote *remote)
{
	struct rseq_configuration configuration = {0};
	struct iovec here = {&remote->rseq_cs, sizeof(remote->rseq_cs)};
	struct iovec there = {.iov_len = sizeof(remote->rseq_cs)};

	if (ptrace(REQUEST_GET_RSEQ, remote->tid, sizeof(configuration),
		   &configuration) <= 0 ||
	    !configuration.rseq)
		return;
	there.iov_base = (void *)(configuration.rseq + RSEQ_CS_OFFSET);
	if (process_vm_readv(remote->pid, &here, 1, &there, 1, 0) ==
		    sizeof(remote->rseq_cs) &&
	    remote->rseq_cs)
		remote->rseq = configuration.rseq + RSEQ_CS_OFFSET;
}

static void restore_rseq(const struct remote *remote)
{
	struct iovec here = {(void *)&remote->rseq_cs, sizeof(remote->rseq_cs)};
	struct iovec there = {(void *)remote->rseq, sizeof(remote->rseq_cs)};

	if (remote->rseq)
		process_vm_writev(remote->pid, &here, 1, &there, 1, 0);
}

/* Ordinary scheduling alone: what has more is not ours to change. */
static void hurry(struct remote *remote)
{
	struct sched_param high = {.sched_priority = URGENT_WORK};
	int policy = sched_getscheduler(remote->tid);

	switch (policy & ~SCHED_RESET_ON_FORK) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		if (sched_setscheduler(remote->tid,
				       SCHED_FIFO | SCHED_RESET_ON_FORK,
				       &high) == 0)
			remote->policy = policy;
	}
}

static void hurry_no_more(const struct remote *remote)
{
	struct sched_param none = {0};

	if (remote->policy >= 0)
		sched_setscheduler(remote->tid, remote->policy, &none);
}

static int save(struct remote *remote)
{
	struct task_status status;

	if (dispatches(remote->tid))
		return gone(ENOTSUP);
	remote->filtered =
		task_status(remote->pid, remote->tid, &status) == 0 &&
		status.filtered;
	if (arch_get_registers(remote->tid, &remote->own) < 0 ||
	    ptrace(REQUEST_GET_SIGMASK, remote->tid, sizeof(remote->mask),
		   &remote->mask) < 0)
		return -1;
	save_rseq(remote);
	return suspend_filter(remote, true);
}

/*
 * All that would stay with the target if we died, which it would survive, is
 * changed once it has registers that it does not survive, and is put back
 * before it has its own: no harm goes unseen.  Meanwhile the timer must not
 * kill us.
 */
static int disturb(struct remote *remote)
{
	uint64_t all = UINT64_MAX;

	if (remote->disturbed)
		return 0;
	remote->disturbed = true;
	hurry(remote);
	return ptrace(REQUEST_SET_SIGMASK, remote->tid, sizeof(all), &all) < 0
		       ? -1
		       : 0;
}

static int calm(struct remote *remote)
{
	int result;

	hurry_no_more(remote);
	restore_rseq(remote);
	ptrace(REQUEST_SET_SIGMASK, remote->tid, sizeof(remote->mask),
	       &remote->mask);
	for (int i = 0; i < remote->nr_signals; i++)
		syscall(SYS_tgkill, remote->pid, remote->tid,
			remote->signals[i]);
	result = arch_set_registers(remote->tid, &remote->own);
	set_deadman(DEADMAN_NS);
	return result;
}

int remote_begin(struct remote *remote, pid_t pid, pid_t tid, uint64_t limit_ns)
{
	sigset_t all;

	*remote = (struct remote){
		.pid = pid,
		.tid = tid,
		.instruction = find_instruction(pid, tid),
		.policy = -1,
	};
	if (!remote->instruction)
		return -1;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (set_deadman(DEADMAN_NS) < 0)
		return -1;
	if (stop(remote, clock_ns() + limit_ns) < 0)
		return -1;
	if (save(remote) < 0) {
		suspend_filter(remote, false);
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return -1;
	}
	if (arch_steps)
		return 0;
	set_deadman(0);
	if (disturb(remote) == 0 &&
	    arch_reveal(tid, &remote->own, cross, remote) == 0)
		return 0;
	remote_end(remote);
	return -1;
}

/* --- the call --- */

/*
 * One step, through the call to the instruction behind it, where that does; to
 * its borders and over them it takes twice as long, in which our death would
 * harm the target.
 */
static int make(struct remote *remote, const struct arch_registers *call)
{
	if (arch_steps)
		return run_to(remote, PTRACE_SINGLESTEP, SIGTRAP);
	if (cross(remote) < 0 || arch_enter(remote->tid, call) < 0)
		return -1;
	return cross(remote);
}

int remote_call(struct remote *remote, long nr, const uint64_t args[6],
		int64_t *result)
{
	struct arch_registers call =
		arch_call(&remote->own, remote->instruction, nr, args);

	set_deadman(0);
	if (arch_set_registers(remote->tid, &call) < 0 || disturb(remote) < 0 ||
	    make(remote, &call) < 0 ||
	    arch_get_registers(remote->tid, &call) < 0)
		return -1;
	*result = arch_result(&call);
	return 0;
}

/*
 * Behind a border of a system call the kernel would not decide any more
 * whether the interrupted call is made again: so once more into the stop in
 * which it does.
 */
static int stop_again(struct remote *remote)
{
	if (ptrace(PTRACE_INTERRUPT, remote->tid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_CONT, remote->tid, NULL, NULL) < 0)
		return -1;
	return wait_for_stop(remote->tid, UINT64_MAX);
}

int remote_end(struct remote *remote)
{
	int result = remote->disturbed ? calm(remote) : 0;

	suspend_filter(remote, false);
	if (stop_again(remote) < 0)
		result = -1;
	ptrace(PTRACE_DETACH, remote->tid, NULL, NULL);
	set_deadman(0);
	return result;
}
