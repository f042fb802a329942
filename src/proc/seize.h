// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Stopping processes by ptrace(2): PTRACE_SEIZE for every thread, then
 * PTRACE_INTERRUPT, then wait until each is in PTRACE_EVENT_STOP.
 *
 * A stop is never *taken* from the kernel: waitid(WNOWAIT) only looks.  So
 * at every moment our death leaves the target as if we had never been: the
 * kernel detaches, and a signal that was on its way is still delivered (a
 * wait that takes the stop would have cleared it).  Never PTRACE_O_EXITKILL,
 * never SIGSTOP, which the target's parent would see.
 *
 * Threads and children born meanwhile are attached by the kernel itself
 * (PTRACE_O_TRACECLONE, _FORK, _VFORK; _EXEC tells of exec); passes over /proc
 * find them and repeat until one finds nothing new.
 *
 * Nothing here blocks longer than it is told.
 */
#ifndef PROC_SEIZE_H
#define PROC_SEIZE_H

#include "proc/sleeper.h"
#include "proc/task.h"

enum seize_state {
	SEIZE_RUNS, /* seized, not stopped */
	SEIZE_STOPPED,
	SEIZE_RESUMED, /* was stopped, and is ours no more */
	SEIZE_ENDED,
};

struct seize_thread {
	pid_t tid;
	pid_t ns_tid;
	enum seize_state state;
	uint64_t sp;            /* vaddr, once it is stopped; 0: not known */
	bool interrupted;       /* it was asked to stop */
	struct sleeper sleeper; /* before that */
	uint64_t deadline_ns;   /* of its call, once it is stopped; 0: none */
};

struct seize_task {
	pid_t pid;
	pid_t ns_pid;
	bool named;     /* on the command line */
	bool stray;     /* stopped with the others, but not asked for */
	bool left_out;  /* zombie, or a descendant that we may not trace */
	bool denied;    /* the latter */
	bool foreign;   /* another pid namespace */
	bool described; /* uid, ns_pid and stat are known */
	uint32_t uid;
	struct task_stat stat;
	struct seize_thread *threads;
	size_t nr_threads;
	size_t room_threads;
};

enum seize_result {
	SEIZE_OK,
	SEIZE_SLOW,   /* not stopped within the limit; now undone */
	SEIZE_TRACED, /* culprit has another tracer */
	SEIZE_DENIED, /* culprit may not be traced by us */
	SEIZE_GONE,   /* culprit has ended */
	SEIZE_ERROR,  /* errno */
};

struct seize {
	bool tree; /* descendants too */
	struct seize_task *tasks;
	size_t nr_tasks;
	size_t room_tasks;
	void (*tick)(void *); /* called every few threads: we are alive */
	void *tick_of;
	pid_t culprit;
	pid_t tracer;
	bool restless;      /* somebody was born or ended: look again */
	uint64_t attach_ns; /* clock_ns() before the first PTRACE_SEIZE */
	uint64_t stop_ns;   /* before the first thread could be stopped */
};

/* A process of the command line; -1 with ENOMEM. */
int seize_name(struct seize *seize, pid_t pid);

/*
 * Seizes and stops all, and undoes that when it takes longer than limit_ns.
 * A thread that could not be stopped stays seized; seize_catch() lets it run
 * as soon as it stops, and a later seize_stop() counts on it.
 */
enum seize_result seize_stop(struct seize *seize, uint64_t limit_ns);
void seize_catch(struct seize *seize);

/* Lets every stopped thread run, detached; it is still known. */
void seize_resume(struct seize *seize);

/*
 * Has the processes stay stopped after seize_resume(), by SIGSTOP.  A thread
 * that is let run meets the signal before its first instruction: the kernel
 * looks for signals at the end of each trap.  -1 when one may not be signalled;
 * then none was.
 */
int seize_leave_stopped(const struct seize *seize);

/* Notes threads that ended while they were stopped (SIGKILL); how many. */
int seize_bury(struct seize *seize);

/*
 * A thread that is or was stopped, through which the process can be seen: the
 * leader, which lives longest, unless it has exited.
 */
const struct seize_thread *seize_living(const struct seize_task *task);

static inline bool seize_was_stopped(const struct seize_thread *thread)
{
	return thread->state == SEIZE_STOPPED || thread->state == SEIZE_RESUMED;
}

void seize_release(struct seize *seize);

#endif
