// SPDX-License-Identifier: GPL-3.0-or-later
#include "confine/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define ANY   (CONFINE_STREAM)
#define OPENS (CONFINE_FILES | CONFINE_PATHS)
#define INT   0xffffffffu /* what the kernel looks at of an int */

/*
 * One call that may be made, if one of its arguments, masked, has that value;
 * those with a mask of 0 always.  (The kernel keeps a map of the latter, and
 * runs no filter for them: seccomp_cache_check_allow() in kernel/seccomp.c.  So
 * there is no order of haste here.)
 */
struct rule {
	const char *call;
	unsigned calls; /* sets that it is of */
	unsigned argument;
	uint64_t mask;
	uint64_t value;
};

static const struct rule rules[] = {
	{"read", ANY, 0, 0, 0},
	{"readv", ANY, 0, 0, 0},
	{"pread64", ANY, 0, 0, 0},
	{"write", ANY, 0, 0, 0},
	{"writev", ANY, 0, 0, 0},
	{"pwrite64", ANY, 0, 0, 0},
	{"pwritev", ANY, 0, 0, 0},
	{"poll", ANY, 0, 0, 0},
	{"ppoll", ANY, 0, 0, 0},
	{"close", ANY, 0, 0, 0},
	{"dup", ANY, 0, 0, 0},
	{"fstat", ANY, 0, 0, 0},
	{"newfstatat", ANY, 0, 0, 0}, /* what glibc's fstat() is */
	{"lseek", ANY, 0, 0, 0},
	{"fcntl", ANY, 1, INT, F_GETFD},
	{"fcntl", ANY, 1, INT, F_SETFD},
	{"fcntl", ANY, 1, INT, F_GETFL},
	{"fcntl", ANY, 1, INT, F_SETFL},
	{"fcntl", ANY, 1, INT, F_GETPIPE_SZ},
	{"fcntl", ANY, 1, INT, F_SETPIPE_SZ},
	{"ioctl", ANY, 1, INT, TCGETS}, /* isatty(); no TIOCSTI */
	{"ioctl", ANY, 1, INT, FIONREAD},
	/* memory, none of which is ever executed */
	{"brk", ANY, 0, 0, 0},
	{"mmap", ANY, 2, PROT_EXEC, 0},
	{"mprotect", ANY, 2, PROT_EXEC, 0},
	{"mremap", ANY, 0, 0, 0},
	{"munmap", ANY, 0, 0, 0},
	{"madvise", ANY, 0, 0, 0},
	/* time, chance */
	{"clock_gettime", ANY, 0, 0, 0},
	{"gettimeofday", ANY, 0, 0, 0},
	{"clock_nanosleep", ANY, 0, 0, 0},
	{"nanosleep", ANY, 0, 0, 0},
	{"restart_syscall", ANY, 0, 0, 0},
	{"getrandom", ANY, 0, 0, 0},
	/* itself, and its end: see own() for signals to itself */
	{"uname", ANY, 0, 0, 0},
	{"getpid", ANY, 0, 0, 0},
	{"gettid", ANY, 0, 0, 0},
	{"geteuid", ANY, 0, 0, 0},
	{"futex", ANY, 0, 0, 0},
	{"sched_yield", ANY, 0, 0, 0},
	{"rt_sigaction", ANY, 0, 0, 0},
	{"rt_sigprocmask", ANY, 0, 0, 0},
	{"rt_sigreturn", ANY, 0, 0, 0},
	{"sigaltstack", ANY, 0, 0, 0},
	{"exit", ANY, 0, 0, 0},
	{"exit_group", ANY, 0, 0, 0},
	/* files: AT_FDCWD is negative, an open directory is not */
	{"openat", CONFINE_FILES, 0, 0x80000000u, 0},
	{"openat", CONFINE_PATHS, 0, 0, 0},
	{"getdents64", OPENS, 0, 0, 0},
	{"faccessat", OPENS, 0, 0, 0},
	{"faccessat2", OPENS, 0, 0, 0},
	{"readlinkat", OPENS, 0, 0, 0},
	{"statx", OPENS, 0, 0, 0},
	{"fstatfs", OPENS, 0, 0, 0},
	{"symlinkat", OPENS, 0, 0, 0},
	{"unlinkat", OPENS, 0, 0, 0},
	{"renameat", OPENS, 0, 0, 0},
	{"renameat2", OPENS, 0, 0, 0},
	{"fchmod", OPENS, 0, 0, 0},
	{"flock", OPENS, 0, 0, 0},
	{"ftruncate", OPENS, 0, 0, 0},
	{"fallocate", OPENS, 0, 0, 0},
	{"fadvise64", OPENS, 0, 0, 0},
	{"sync_file_range", OPENS, 0, 0, 0},
	{"fsync", OPENS, 0, 0, 0},
	{"fdatasync", OPENS, 0, 0, 0},
	{"copy_file_range", OPENS, 0, 0, 0},
	{"splice", OPENS, 0, 0, 0},
	{"vmsplice", OPENS, 0, 0, 0},
	{"tee", OPENS, 0, 0, 0},
	{"recvmsg", OPENS | CONFINE_CLIENTS, 0, 0, 0},
	{"mkdir", CONFINE_PATHS, 0, 0, 0},
	{"mkdirat", CONFINE_PATHS, 0, 0, 0},
	{"rmdir", CONFINE_PATHS, 0, 0, 0},
	{"access", CONFINE_PATHS, 0, 0, 0},
	{"readlink", CONFINE_PATHS, 0, 0, 0},
	/* threads: no process, and no namespace, is made with this flag */
	{"clone", CONFINE_THREADS, 0, CLONE_THREAD, CLONE_THREAD},
	{"set_robust_list", CONFINE_THREADS, 0, 0, 0},
	{"rseq", CONFINE_THREADS, 0, 0, 0},
	{"sched_getaffinity", CONFINE_THREADS, 0, INT, 0},
	{"sched_setaffinity", CONFINE_THREADS, 0, INT, 0}, /* nobody else's */
	/* clients: nothing that connects, or makes a socket */
	{"accept4", CONFINE_CLIENTS, 0, 0, 0},
	{"getpeername", CONFINE_CLIENTS, 0, 0, 0},
	{"getsockname", CONFINE_CLIENTS, 0, 0, 0},
	{"getsockopt", CONFINE_CLIENTS, 0, 0, 0},
	{"fcntl", CONFINE_CLIENTS, 1, INT, F_DUPFD_CLOEXEC},
	{"setsockopt", CONFINE_CLIENTS, 0, 0, 0},
	{"shutdown", CONFINE_CLIENTS, 0, 0, 0},
	/* tasks: by a pidfd, and the guard, which is made anew if it is killed
	 */
	{"epoll_create1", CONFINE_TASKS, 0, 0, 0},
	{"epoll_ctl", CONFINE_TASKS, 0, 0, 0},
	{"epoll_wait", CONFINE_TASKS, 0, 0, 0},
	{"epoll_pwait", CONFINE_TASKS, 0, 0, 0},
	{"ioctl", CONFINE_TASKS, 1, INT, (uint32_t)UFFDIO_COPY},
	{"ioctl", CONFINE_TASKS, 1, INT, (uint32_t)UFFDIO_ZEROPAGE},
	{"ioctl", CONFINE_TASKS, 1, INT, (uint32_t)UFFDIO_WAKE},
	{"pidfd_open", CONFINE_TASKS, 0, 0, 0},
	{"pidfd_send_signal", CONFINE_TASKS, 0, 0, 0},
	{"wait4", CONFINE_TASKS, 0, 0, 0},
	{"setsid", CONFINE_TASKS, 0, 0, 0},
	{"prctl", CONFINE_TASKS, 0, INT, PR_SET_NAME},
	{"clone", CONFINE_TASKS, 0, INT, CLONE_FILES | CLONE_PIDFD | SIGCHLD},
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	{"getppid", ANY, 0, 0, 0}, /* and what a sanitizer looks at */
	{"getrlimit", ANY, 0, 0, 0},
	{"prlimit64", ANY, 0, 0, 0},
	{"sched_getaffinity", ANY, 0, 0, 0},
	{"openat", ANY, 0, 0, 0},
	{"open", ANY, 0, 0, 0},
	{"readlink", ANY, 0, 0, 0},
	{"readlinkat", ANY, 0, 0, 0},
	{"getdents", ANY, 0, 0, 0},
	{"getdents64", ANY, 0, 0, 0},
	{"pipe", ANY, 0, 0, 0},
	{"prctl", ANY, 0, 0, 0},
	{"clone", ANY, 0, 0, 0},
	{"ptrace", ANY, 0, 0, 0}, /* its search for leaks, at the end */
	{"wait4", ANY, 0, 0, 0},
	{"process_vm_readv", ANY, 0, 0, 0},
#endif
};

/*
 * -1 for one that this machine has not got, or that this libseccomp does not
 * know: it is refused then.
 */
static int number_of(const char *call)
{
	return seccomp_syscall_resolve_name(call);
}

static int allow(scmp_filter_ctx filter, const struct rule *rule)
{
	struct scmp_arg_cmp condition = {
		.arg = rule->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = rule->mask,
		.datum_b = rule->value,
	};
	int number = number_of(rule->call);

	if (number < 0)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number,
				      rule->mask ? 1 : 0, &condition);
}

/* Signals to itself, as raise() and abort() send them. */
static int allow_own_signals(scmp_filter_ctx filter)
{
	struct rule own = {"tgkill", ANY, 0, INT, (uint64_t)getpid()};

	return allow(filter, &own);
}

/* With flags that no filter can see; without it glibc takes clone(). */
static int hide_clone3(scmp_filter_ctx filter)
{
	int number = number_of("clone3");

	return number < 0 ? 0
			  : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
					     number, 0);
}

static int fill(scmp_filter_ctx filter, const struct confine *confine)
{
	struct rule except = {.call = confine->except};
	int result = hide_clone3(filter);

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && !result; i++)
		if (rules[i].calls & (confine->calls | CONFINE_STREAM))
			result = allow(filter, &rules[i]);
	if (!result)
		result = allow_own_signals(filter);
	if (!result && confine->except)
		result = allow(filter, &except);
	if (!result)
		result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
					  SCMP_ACT_KILL_PROCESS);
	return result;
}

/* Not in every kernel, and some containers have none for what runs in them. */
static bool is_there(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int calls_confine(const struct confine *confine)
{
	scmp_filter_ctx filter;
	int result;

	if (!is_there())
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter) {
		errno = ENOMEM;
		return -1;
	}
	result = fill(filter, confine);
	if (!result)
		result = seccomp_load(filter);
	seccomp_release(filter);
	if (!result)
		return 1;
	if (result ==
	    -ECANCELED) /* libseccomp's word for: the kernel refused */
		return 0;
	errno = -result;
	return -1;
}
