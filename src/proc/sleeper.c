// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/sleeper.h"

#include "base/clock.h"
#include "base/own.h"
#include "proc/arch.h"
#include "proc/procfs.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* What fits into one small read of a file of the thread; false: nothing. */
static bool read_file(pid_t pid, pid_t tid, const char *name, char *text,
		      size_t size)
{
	own_fd int fd = procfs_open(pid, tid, name);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n < 0 ? 0 : n] = 0;
	return n > 0;
}

/* "232 0x5 0x7ffc0 0x1 0x12c 0x0 0x8 0x7ffc8 0x7f012", or "running" */
static bool sleeps_with_limit(const char *text)
{
	uint64_t args[6] = {0};
	char *end;
	long nr = strtol(text, &end, 10);

	if (end == text)
		return false;
	for (int i = 0; i < 6; i++)
		args[i] = strtoull(end, &end, 16);
	return arch_has_limit(nr, args);
}

/* "912853 312473 1": time on a CPU, time waiting for one, times. */
static bool read_runs(pid_t pid, pid_t tid, uint64_t *runs)
{
	char text[96];
	char *at = text;

	if (!read_file(pid, tid, "schedstat", text, sizeof(text)))
		return false;
	for (int field = 0; field < 3; field++)
		*runs = strtoull(at, &at, 10);
	return *runs;
}

struct sched {
	uint64_t exec_start_ns;
	uint64_t sleeps;
};

/* "\nse.exec_start        :       3445942.758114": behind the colon */
static const char *sched_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	at = at ? strchr(at, ':') : NULL;
	return at ? at + 1 : NULL;
}

/* Times are milliseconds, with six digits of nanoseconds. */
static bool read_sched(pid_t pid, pid_t tid, struct sched *sched)
{
	char text[4096];
	const char *start;
	const char *sleeps;
	char *point;

	if (!read_file(pid, tid, "sched", text, sizeof(text)))
		return false;
	start = sched_field(text, "\nse.exec_start ");
	sleeps = sched_field(text, "\nnr_voluntary_switches ");
	if (!start || !sleeps)
		return false;
	sched->exec_start_ns = strtoull(start, &point, 10) * MS_NS;
	if (*point != '.' || strspn(point + 1, "0123456789") != 6)
		return false;
	sched->exec_start_ns += strtoull(point + 1, NULL, 10);
	sched->sleeps = strtoull(sleeps, NULL, 10);
	return true;
}

/* Field 39 of stat, proc(5); -1 when it cannot be had. */
static int last_cpu(pid_t pid, pid_t tid)
{
	char text[1024];
	const char *at;

	if (!read_file(pid, tid, "stat", text, sizeof(text)))
		return -1;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	// NOLINTNEXTLINE(cert-err34-c): it is the kernel's number
	return at ? atoi(at) : -1;
}

/* A nap, so that the kernel notes anew since when we run. */
static bool own_exec_start(uint64_t *ns)
{
	struct timespec shortest = {.tv_nsec = 1};
	struct sched own;

	clock_nanosleep(CLOCK_MONOTONIC, 0, &shortest, NULL);
	if (!read_sched(getpid(), gettid(), &own))
		return false;
	*ns = own.exec_start_ns;
	return true;
}

static void learn_clock(struct sleeper_clocks *clocks, int cpu)
{
	cpu_set_t before;
	cpu_set_t there;
	uint64_t own;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 ||
	    sched_setaffinity(0, sizeof(there), &there) < 0)
		return;
	if (own_exec_start(&own))
		clocks->behind_ns[cpu] = clock_ns() - own;
	sched_setaffinity(0, sizeof(before), &before);
}

/* 0: its clock is not known. */
static uint64_t clock_behind(struct sleeper_clocks *clocks, int cpu)
{
	if (cpu < 0 || cpu >= SLEEPER_CPUS)
		return 0;
	if (!clocks->behind_ns[cpu])
		learn_clock(clocks, cpu);
	return clocks->behind_ns[cpu];
}

struct sleeper sleeper_look(pid_t pid, pid_t tid, struct sleeper_clocks *clocks)
{
	struct sleeper sleeper = {0};
	uint64_t behind_ns;
	struct sched sched;
	char text[256];

	if (!read_file(pid, tid, "syscall", text, sizeof(text)))
		return sleeper;
	if (!sleeps_with_limit(text)) {
		sleeper.known = true;
		return sleeper;
	}
	if (!read_runs(pid, tid, &sleeper.runs) ||
	    !read_sched(pid, tid, &sched))
		return sleeper;
	behind_ns = clock_behind(clocks, last_cpu(pid, tid));
	sleeper.sleeps = sched.sleeps;
	sleeper.known = behind_ns;
	sleeper.since_ns = sched.exec_start_ns + behind_ns;
	return sleeper;
}

/* It was woken once, by the stop; sched takes longer to read. */
static bool slept_on(pid_t pid, pid_t tid, const struct sleeper *sleeper)
{
	struct sched sched;
	uint64_t runs;

	return (read_runs(pid, tid, &runs) && runs == sleeper->runs + 1) ||
	       (read_sched(pid, tid, &sched) &&
		sched.sleeps == sleeper->sleeps + 1);
}

uint64_t sleeper_slept(pid_t pid, pid_t tid, const struct sleeper *sleeper)
{
	uint64_t now = clock_ns();

	if (!sleeper->known)
		return UINT64_MAX;
	if (!sleeper->since_ns || now < sleeper->since_ns ||
	    !slept_on(pid, tid, sleeper))
		return 0;
	return now - sleeper->since_ns;
}
