// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * confined TOOL DIR [RULE]: confines itself to DIR as that tool does, without
 * that rule if one is named, and then tries what a program that has taken the
 * tool over would try.  A line for each: its rule, what it is, and "refused" or
 * "done" (which is whatever else came of it).
 *
 * In DIR there is a file `inside`, and links `link` to a file outside, and
 * `linkdir` to its directory; beside DIR a file `outside`.
 */
#include "base/die.h"
#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int dir;
static pid_t parent;

/* --- paths, by the directory that is held --- */

static long by_dotdot(void)
{
	return openat(dir, "../outside", O_RDONLY);
}
static long by_root(void)
{
	return openat(dir, "/etc/passwd", O_RDONLY);
}
static long by_link(void)
{
	return openat(dir, "link", O_RDONLY);
}
static long by_linkdir(void)
{
	return openat(dir, "linkdir/outside", O_RDONLY);
}
static long writes_link(void)
{
	return openat(dir, "link", O_WRONLY);
}
static long by_proc(void)
{
	return openat(dir, "/proc/self/mem", O_RDWR);
}
static long makes(void)
{
	return openat(dir, "../made", O_CREAT | O_WRONLY, 0600);
}
static long removes(void)
{
	return unlinkat(dir, "../outside", 0);
}
static long renames(void)
{
	return renameat(dir, "inside", dir, "../moved");
}
static long links(void)
{
	return symlinkat("/", dir, "../planted");
}

/* --- calls --- */

static long opens(void)
{
	return open("inside", O_RDONLY);
}
static long opens2(void)
{
	return syscall(SYS_openat2, dir, "inside", NULL, 0);
}
static long by_handle(void)
{
	return syscall(SYS_open_by_handle_at, dir, NULL, 0);
}
static long hardlinks(void)
{
	return linkat(dir, "inside", dir, "twice", 0);
}
static long makes_node(void)
{
	return mknodat(dir, "node", S_IFREG, 0);
}
static long makes_dir(void)
{
	return mkdirat(dir, "below", 0700);
}
static long socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}
static long socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static long connects(void)
{
	return connect(0, NULL, 0);
}
static long binds(void)
{
	return bind(0, NULL, 0);
}
static long sends(void)
{
	return sendto(0, "", 1, 0, NULL, 0);
}
static long executes(void)
{
	return syscall(SYS_execve, "", NULL, NULL);
}
static long executes_at(void)
{
	return syscall(SYS_execveat, -1, "", NULL, NULL, 0);
}
static long traces(void)
{
	return ptrace(PTRACE_SEIZE, parent, NULL, (void *)-1L);
}
static long kills(void)
{
	return kill(parent, 0);
}
static long tkills(void)
{
	return syscall(SYS_tkill, parent, 0);
}
static long tgkills(void)
{
	return syscall(SYS_tgkill, parent, parent, 0);
}
static long queues(void)
{
	return syscall(SYS_rt_sigqueueinfo, parent, 0, NULL);
}
static long pidfds(void)
{
	return syscall(SYS_pidfd_open, parent, 0);
}
static long pidfd_kills(void)
{
	return syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0);
}
static long pidfd_takes(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0);
}
static long reads_memory(void)
{
	return process_vm_readv(parent, NULL, 0, NULL, 0, 0);
}
static long writes_memory(void)
{
	return process_vm_writev(parent, NULL, 0, NULL, 0, 0);
}
static long advises(void)
{
	return syscall(SYS_process_madvise, -1, NULL, 0, 0, 0);
}
static long mounts(void)
{
	return syscall(SYS_mount, NULL, NULL, NULL, 0, NULL);
}
static long unmounts(void)
{
	return syscall(SYS_umount2, "", 0);
}
static long chroots(void)
{
	return chroot("");
}
static long changes_dir(void)
{
	return chdir("/");
}
static long unshares(void)
{
	return syscall(SYS_unshare, 0);
}
static long enters(void)
{
	return syscall(SYS_setns, -1, 0);
}
static long bpf(void)
{
	return syscall(SYS_bpf, -1, NULL, 0);
}
static long perf(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0);
}
static long keys(void)
{
	return syscall(SYS_keyctl, -1, 0, 0, 0, 0);
}
static long module(void)
{
	return syscall(SYS_init_module, NULL, 0, NULL);
}
static long rings(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL);
}
static long faults(void)
{
	return syscall(SYS_userfaultfd, -1);
}
static long memfd(void)
{
	return memfd_create("", 0);
}
static long limits(void)
{
	return prlimit(parent, RLIMIT_CORE, NULL, NULL);
}
static long dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}
static long types_in(void)
{
	return ioctl(0, TIOCSTI, "");
}
static long owns(void)
{
	return fcntl(0, F_SETOWN, getpid());
}
static long slows(void)
{
	return syscall(SYS_sched_setaffinity, parent, 0, NULL);
}
static long niceness(void)
{
	return setpriority(PRIO_PROCESS, 0, 0);
}
static long becomes(void)
{
	return setuid(getuid());
}

static long maps_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? -1 : 0;
}

static long makes_code(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long forks(void)
{
	long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0)
		_exit(0);
	return child;
}

/* Of a size that no kernel takes: EINVAL, if it is looked at at all. */
static long clones(void)
{
	long child = syscall(SYS_clone3, NULL, 1);

	if (child < 0 && errno == ENOSYS)
		errno = EPERM; /* as calls.c has it */
	return child;
}

enum { F = 1, I = 2, R = 4, P = 8, L = 16 }; /* framedump imgwrite ... */
#define ALL   (F | I | R | P | L)
#define PATHS (I | R | P | L)

static const struct attempt {
	const char *rule;
	const char *what;
	long (*act)(void);
	unsigned tools; /* that are to refuse it */
} attempts[] = {
	{"landlock", "a file beside DIR", by_dotdot, PATHS & ~P},
	{"landlock", "a file by an absolute path", by_root, PATHS},
	{"landlock", "a file behind a link", by_link, PATHS & ~P},
	{"landlock", "a file behind a linked directory", by_linkdir,
	 PATHS & ~P},
	{"landlock", "to write behind a link", writes_link, PATHS},
	{"landlock", "its own memory", by_proc, PATHS},
	{"landlock", "to make a file beside DIR", makes, PATHS},
	{"landlock", "to make a link beside DIR", links, PATHS},
	{"landlock", "to rename a file out of DIR", renames, PATHS},
	{"landlock", "to remove a file beside DIR", removes, PATHS},
	{"openat", "a file by the working directory", opens, F | I | R},
	{"openat2", "openat2", opens2, ALL},
	{"open_by_handle_at", "a file by its handle", by_handle, ALL},
	{"linkat", "a hard link", hardlinks, ALL},
	{"mknodat", "a device", makes_node, ALL},
	{"mkdirat", "a directory", makes_dir, F | I},
	{"socket", "a socket of the internet", socket_inet, ALL},
	{"socket", "a socket of this machine", socket_unix, ALL},
	{"connect", "to connect", connects, ALL},
	{"bind", "to bind", binds, ALL},
	{"sendto", "a datagram", sends, ALL},
	{"execve", "a program", executes, ALL},
	{"execveat", "a program by a descriptor", executes_at, ALL},
	{"clone", "another process", forks, ALL},
	{"clone3", "clone3", clones, ALL},
	{"ptrace", "to trace", traces, ALL},
	{"kill", "a signal", kills, ALL},
	{"tkill", "a signal to a thread", tkills, ALL},
	{"tgkill", "a signal to another's thread", tgkills, ALL},
	{"rt_sigqueueinfo", "a signal with a value", queues, ALL},
	{"pidfd_open", "a pidfd", pidfds, ALL & ~L},
	{"pidfd_send_signal", "a signal by a pidfd", pidfd_kills, ALL & ~L},
	{"pidfd_getfd", "another's descriptor", pidfd_takes, ALL},
	{"process_vm_readv", "another's memory", reads_memory, ALL},
	{"process_vm_writev", "to write another's memory", writes_memory, ALL},
	{"process_madvise", "advice for another", advises, ALL},
	{"prlimit64", "another's limits", limits, ALL},
	{"sched_setaffinity", "another's processors", slows, ALL},
	{"mount", "a mount", mounts, ALL},
	{"umount2", "to unmount", unmounts, ALL},
	{"chroot", "another root", chroots, ALL},
	{"chdir", "another working directory", changes_dir, ALL},
	{"unshare", "a namespace", unshares, ALL},
	{"setns", "another's namespace", enters, ALL},
	{"bpf", "bpf", bpf, ALL},
	{"perf_event_open", "perf events", perf, ALL},
	{"keyctl", "keys", keys, ALL},
	{"init_module", "a module", module, ALL},
	{"io_uring_setup", "a ring", rings, ALL},
	{"userfaultfd", "a userfaultfd", faults, ALL},
	{"memfd_create", "a file of memory", memfd, ALL},
	{"mmap", "to map code", maps_code, ALL},
	{"mprotect", "to make code", makes_code, ALL},
	{"prctl", "to be dumped", dumpable, ALL},
	{"ioctl", "to type into a terminal", types_in, ALL},
	{"fcntl", "signals by a descriptor", owns, ALL},
	{"setpriority", "a priority", niceness, ALL},
	{"setuid", "another user", becomes, ALL},
};

struct tool {
	const char *name;
	unsigned bit;
	unsigned calls;
	unsigned deeds;
};

#define WRITES (CONFINE_READ | CONFINE_WRITE | CONFINE_REMOVE)

/* As their own files have it. */
static const struct tool tools[] = {
	{"framedump", F, CONFINE_STREAM, 0},
	{"imgwrite", I, CONFINE_FILES | CONFINE_THREADS, WRITES},
	{"imgread", R, CONFINE_FILES, CONFINE_READ},
	{"pageserve", P, CONFINE_PATHS | CONFINE_CLIENTS,
	 WRITES | CONFINE_DIRS},
	{"lazyserve", L, CONFINE_PATHS | CONFINE_CLIENTS | CONFINE_TASKS,
	 CONFINE_REMOVE},
};

static const struct tool *tool_named(const char *name)
{
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (!strcmp(tools[i].name, name))
			return &tools[i];
	die(EXIT_USAGE, "%s: no tool that confines itself", name);
}

static void confine(const struct tool *tool, const char *without)
{
	struct confine confine = {.calls = tool->calls, .except = without};
	int around = open("..", O_PATH | O_CLOEXEC);
	int holds;

	if (tool->deeds && confine_dir(&confine, dir, tool->deeds) < 0)
		die_errno(EXIT_SYSTEM, "confine_dir");
	if (tool->bit & (I | P) &&
	    confine_dir(&confine, around,
			CONFINE_DIRS | (tool->bit == P ? CONFINE_READ : 0)) < 0)
		die_errno(EXIT_SYSTEM, "confine_dir");
	holds = confine_begin(&confine);
	if (holds < 0)
		die_errno(EXIT_SYSTEM, "confine_begin");
	printf("privileges %d calls %d paths %d\n",
	       !!(holds & CONFINED_PRIVILEGES), !!(holds & CONFINED_CALLS),
	       !!(holds & CONFINED_PATHS));
	confine_release(&confine);
}

static void try(const struct attempt *attempt)
{
	long result = attempt->act();
	bool refused = result < 0 && (errno == EPERM || errno == EACCES);

	printf("%s: %s: %s\n", attempt->rule, attempt->what,
	       refused ? "refused" : "done");
	fflush(stdout);
}

static void *nothing(void *of)
{
	return of;
}

/* What must go on all the same. */
static void try_own(const struct tool *tool)
{
	pthread_t thread;

	if (tool->bit & (I | R | P))
		printf("a file in DIR: %s\n",
		       openat(dir, "inside", O_RDONLY) < 0 ? "refused"
							   : "done");
	if (tool->bit & I)
		printf("a thread: %s\n",
		       pthread_create(&thread, NULL, nothing, NULL) ||
				       pthread_join(thread, NULL)
			       ? "refused"
			       : "done");
}

int main(int argc, char **argv)
{
	const struct tool *tool;

	if (argc < 3)
		die(EXIT_USAGE, "Usage: confined TOOL DIR [RULE]");
	tool = tool_named(argv[1]);
	dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fchdir(dir) < 0)
		die_errno(EXIT_SYSTEM, "%s", argv[2]);
	parent = getppid();
	confine(tool, argv[3]);
	try_own(tool);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		if (attempts[i].tools & tool->bit)
			try(&attempts[i]);
	raise(SIGTERM); /* which it may: its end by a signal is its own */
	return EXIT_DONE;
}
