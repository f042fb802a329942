// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/settle.h"

#include "base/clock.h"
#include "proc/arch.h"
#include "proc/attach.h"
#include "proc/sharer.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define VFORK_NS MS_NS /* how long a stop takes at most, but for a vfork */
#define FEW      8     /* threads: worth to be woken for each */
#define NAP_NS   50000 /* of which a switch to a thread takes some 15000 */

#define PEEK (WSTOPPED | WEXITED | __WALL | WNOHANG | WNOWAIT)

/*
 * Born while its parent was seized: clone(2) without CLONE_THREAD, or a child
 * that its parent did not keep (CLONE_PARENT).  The kernel has attached it,
 * so it has to be known, if only to be let go.
 */
static void note_birth(struct seize *seize, pid_t parent, bool stray)
{
	struct task_status status;
	unsigned long child = 0;
	struct seize_task *task;

	if (ptrace(PTRACE_GETEVENTMSG, parent, NULL, &child) < 0 || !child ||
	    task_status((pid_t)child, 0, &status) < 0)
		return;
	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].pid == status.tgid)
			return;
	task = attach_add_task(seize, status.tgid);
	if (task)
		task->stray = stray || !seize->tree;
}

/* Such a stop may have come before we asked for one: count from the attach. */
static void note_event(struct seize *seize, size_t index, pid_t tid, int event)
{
	if (seize->stop_ns > seize->attach_ns)
		seize->stop_ns = seize->attach_ns;
	seize->restless = true;
	if (event == PTRACE_EVENT_EXEC)
		seize->tasks[index].described = false; /* another program */
	else
		note_birth(seize, tid, seize->tasks[index].stray);
}

void settle_bury(struct seize *seize, struct seize_thread *thread)
{
	waitpid(thread->tid, NULL, __WALL | WNOHANG);
	thread->state = SEIZE_ENDED;
	seize->restless = true;
}

static void mend(pid_t pid, struct seize_thread *thread)
{
	uint64_t slept = sleeper_slept(pid, thread->tid, &thread->sleeper);
	struct arch_stop stop = arch_mend_stop(thread->tid, slept);

	thread->sp = stop.sp;
	thread->deadline_ns =
		stop.left_ns == UINT64_MAX ? 0 : clock_ns() + stop.left_ns;
}

/* Looks once at what a seized thread does. */
void settle_peek(struct seize *seize, size_t index, struct seize_thread *thread)
{
	siginfo_t info = {0};
	int event;

	if (waitid(P_PID, (id_t)thread->tid, &info, PEEK) < 0) {
		thread->state = SEIZE_ENDED; /* exec by another thread */
		seize->restless = true;
		return;
	}
	if (!info.si_pid)
		return;
	if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
		settle_bury(seize, thread);
		return;
	}
	event = info.si_status >> 8;
	if (!event) { /* a signal on its way: deliver it, then it stops */
		ptrace(PTRACE_CONT, thread->tid, NULL,
		       (long)(info.si_status & 0x7f));
		return;
	}
	if (event != PTRACE_EVENT_STOP)
		note_event(seize, index, thread->tid, event);
	mend(seize->tasks[index].pid, thread);
	thread->state = SEIZE_STOPPED;
}

/*
 * Until a thread stops or ends, or the time is over.  Where many are still to
 * stop, each would wake us and so take the CPU from the next one: a nap lets
 * them stop in a row (64 that spin on 2 CPUs: half the time).
 */
static void wait_for_news(size_t running, uint64_t until)
{
	uint64_t now = clock_ns();
	uint64_t left = until > now ? until - now : 0;
	struct timespec limit = {0};
	sigset_t set;

	sigemptyset(&set);
	if (running > FEW)
		left = NAP_NS < left ? NAP_NS : left;
	else
		sigaddset(&set, SIGCHLD);
	limit.tv_sec = (time_t)(left / S_NS);
	limit.tv_nsec = (long)(left % S_NS);
	sigtimedwait(&set, NULL, &limit);
}

/* Its stopped threads run again, seized. */
static void let_go_on(struct seize *seize, size_t index)
{
	size_t nr = seize->tasks[index].nr_threads;
	struct seize_thread *threads = seize->tasks[index].threads;

	for (size_t i = 0; i < nr; i++) {
		if (threads[i].state == SEIZE_RUNS)
			settle_peek(seize, index, &threads[i]);
		if (threads[i].state != SEIZE_STOPPED)
			continue;
		ptrace(PTRACE_CONT, threads[i].tid, NULL, NULL);
		threads[i].state = SEIZE_RUNS;
		threads[i].interrupted = false;
	}
}

/*
 * The parent of a vfork child stops only when the child has called exec or
 * ended, which a child that we have stopped never does.  So it is let go on;
 * exec is a stop of its own (PTRACE_O_TRACEEXEC).
 */
static void free_vfork_children(struct seize *seize, size_t parent_index)
{
	pid_t parent = seize->tasks[parent_index].pid;

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		pid_t pid = seize->tasks[i].pid;

		if (pid != parent && !seize->tasks[i].left_out &&
		    sharer_is(parent, pid))
			let_go_on(seize, i);
	}
}

static bool runs(const struct seize_task *task)
{
	for (size_t i = 0; i < task->nr_threads; i++)
		if (task->threads[i].state == SEIZE_RUNS)
			return true;
	return false;
}

/* Looks at all that run; how many still do. */
static size_t peek_all(struct seize *seize)
{
	size_t running = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		/* a birth may move the tasks, but not the threads of this one
		 */
		size_t nr = seize->tasks[i].nr_threads;
		struct seize_thread *threads = seize->tasks[i].threads;

		for (size_t j = 0; j < nr; j++) {
			attach_tick(seize, j);
			if (threads[j].state != SEIZE_RUNS)
				continue;
			settle_peek(seize, i, &threads[j]);
			running += threads[j].state == SEIZE_RUNS &&
				   !seize->tasks[i].left_out;
		}
	}
	return running;
}

/*
 * One that we found by the memory that it shares with its child may wait for
 * that child's exec.  It stops before it runs again, so it does not matter.
 */
static void leave_out_vfork_parent(struct seize *seize, size_t index)
{
	struct seize_task *parent = &seize->tasks[index];

	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].stat.parent == parent->pid &&
		    sharer_is(seize->tasks[i].pid, parent->pid))
			parent->left_out = true;
}

static void mind_vforks(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		if (!runs(&seize->tasks[i]))
			continue;
		if (seize->tasks[i].stray)
			leave_out_vfork_parent(seize, i);
		else
			free_vfork_children(seize, i);
	}
}

/* All have stopped or ended; or it is too late. */
bool settle_all(struct seize *seize, uint64_t until)
{
	uint64_t patience = 0;
	size_t before = 0;

	for (;;) {
		size_t running = peek_all(seize);
		uint64_t now = clock_ns();

		if (!running)
			return true;
		if (now >= until)
			return false;
		if (running != before)
			patience = now + VFORK_NS;
		if (now >= patience) {
			mind_vforks(seize);
			patience = now + VFORK_NS;
		}
		before = running;
		wait_for_news(running, patience < until ? patience : until);
	}
}

/* waitid(2) shows a tracer its stopped threads even when not asked for them. */
bool settle_has_ended(const struct seize_thread *thread)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)thread->tid, &info, PEEK) < 0)
		return true;
	return info.si_pid && info.si_code != CLD_TRAPPED &&
	       info.si_code != CLD_STOPPED;
}
