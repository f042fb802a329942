// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/seize.h"

#include "base/clock.h"
#include "proc/arch.h"
#include "proc/attach.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define VFORK_NS MS_NS /* how long a stop takes at most, but for a vfork */
#define FEW      8     /* threads: worth to be woken for each */
#define NAP_NS   50000 /* of which a switch to a thread takes some 15000 */

#define PEEK (WSTOPPED | WEXITED | __WALL | WNOHANG | WNOWAIT)

int seize_name(struct seize *seize, pid_t pid)
{
	struct seize_task *task = attach_add_task(seize, pid);

	if (!task)
		return -1;
	task->named = true;
	return 0;
}

static void interrupt_all(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			if (task->threads[j].state == SEIZE_RUNS)
				ptrace(PTRACE_INTERRUPT, task->threads[j].tid,
				       NULL, NULL);
	}
}

/*
 * Born while its parent was seized: clone(2) without CLONE_THREAD, or a child
 * that its parent did not keep (CLONE_PARENT).  The kernel has attached it,
 * so it has to be known, if only to be let go.
 */
static void note_birth(struct seize *seize, pid_t parent)
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
		task->stray = !seize->tree;
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
		note_birth(seize, tid);
}

static void bury(struct seize *seize, struct seize_thread *thread)
{
	waitpid(thread->tid, NULL, __WALL | WNOHANG);
	thread->state = SEIZE_ENDED;
	seize->restless = true;
}

/* Looks once at what a seized thread does. */
static void peek(struct seize *seize, size_t index, struct seize_thread *thread)
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
		bury(seize, thread);
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
	thread->state = SEIZE_STOPPED;
	thread->sp = arch_mend_stop(thread->tid);
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
			peek(seize, index, &threads[i]);
		if (threads[i].state != SEIZE_STOPPED)
			continue;
		ptrace(PTRACE_CONT, threads[i].tid, NULL, NULL);
		threads[i].state = SEIZE_RUNS;
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
		    !syscall(SYS_kcmp, parent, pid, KCMP_VM, 0, 0))
			let_go_on(seize, i);
	}
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
			peek(seize, i, &threads[j]);
			running += threads[j].state == SEIZE_RUNS;
		}
	}
	return running;
}

static void free_all_vfork_children(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		for (size_t j = 0; j < seize->tasks[i].nr_threads; j++)
			if (seize->tasks[i].threads[j].state == SEIZE_RUNS) {
				free_vfork_children(seize, i);
				break;
			}
}

/* All have stopped or ended; or it is too late. */
static bool settle(struct seize *seize, uint64_t until)
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
			free_all_vfork_children(seize);
			patience = now + VFORK_NS;
		}
		before = running;
		wait_for_news(running, patience < until ? patience : until);
	}
}

/* Is there a thread in /proc that we do not hold? */
static bool all_are_known(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];
		long held = 0;

		if (task->left_out)
			continue;
		for (size_t j = 0; j < task->nr_threads; j++)
			held += task->threads[j].state == SEIZE_STOPPED;
		if (task_nr_threads(task->pid) != held)
			return false;
	}
	return true;
}

static size_t count_threads(const struct seize *seize)
{
	size_t nr = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++)
		nr += seize->tasks[i].nr_threads;
	return nr;
}

static enum seize_result stop_all(struct seize *seize, uint64_t until)
{
	enum seize_result result = SEIZE_OK;
	size_t known;

	do {
		interrupt_all(seize);
		if (!settle(seize, until))
			return SEIZE_SLOW;
		if (!seize->restless && all_are_known(seize))
			return SEIZE_OK;
		known = count_threads(seize);
		result = attach_all(seize);
	} while (result == SEIZE_OK && count_threads(seize) > known);
	return result;
}

const struct seize_thread *seize_living(const struct seize_task *task)
{
	for (size_t i = 0; i < task->nr_threads; i++)
		if (seize_was_stopped(&task->threads[i]))
			return &task->threads[i];
	return NULL;
}

/* A task whose threads have all ended is left out, or missed. */
static enum seize_result miss_ended(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		if (seize_living(task))
			continue;
		if (task->named) {
			seize->culprit = task->pid;
			return SEIZE_GONE;
		}
		task->left_out = true;
	}
	return SEIZE_OK;
}

/* Only those that an earlier attempt has seized and not stopped are ours. */
static void forget_resumed(struct seize_task *task)
{
	size_t kept = 0;

	for (size_t i = 0; i < task->nr_threads; i++)
		if (task->threads[i].state == SEIZE_RUNS)
			task->threads[kept++] = task->threads[i];
	task->nr_threads = kept;
}

/*
 * An earlier attempt is out of date: descendants may have gone, and their
 * pids been used again.  Those that we still wait for stay.
 */
static void start_anew(struct seize *seize)
{
	size_t kept = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		task->described = false;
		forget_resumed(task);
		if (task->named || task->nr_threads)
			seize->tasks[kept++] = *task;
		else
			free(task->threads);
	}
	seize->nr_tasks = kept;
}

/*
 * Nobody may stay stopped until the next attempt: neither a child that the
 * kernel has attached and no pass has found yet, nor a thread that has
 * stopped while we waited for another.
 */
static void undo(struct seize *seize)
{
	if (seize->restless)
		attach_all(seize);
	seize_catch(seize);
}

enum seize_result seize_stop(struct seize *seize, uint64_t limit_ns)
{
	enum seize_result result;

	start_anew(seize);
	seize->attach_ns = clock_ns();
	result = attach_all(seize);
	seize->stop_ns = clock_ns();
	if (result == SEIZE_OK)
		result = stop_all(seize, seize->stop_ns + limit_ns);
	if (result == SEIZE_OK)
		result = miss_ended(seize);
	if (result != SEIZE_OK)
		undo(seize);
	return result;
}

static void resume(struct seize_thread *thread)
{
	if (thread->state != SEIZE_STOPPED)
		return;
	ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
	thread->state = SEIZE_RESUMED;
}

void seize_resume(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			resume(&task->threads[j]);
	}
}

void seize_catch(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			if (task->threads[j].state == SEIZE_RUNS)
				peek(seize, i, &task->threads[j]);
	}
	seize_resume(seize);
}

/* waitid(2) shows a tracer its stopped threads even when not asked for them. */
static bool has_ended(const struct seize_thread *thread)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)thread->tid, &info, PEEK) < 0)
		return true;
	return info.si_pid && info.si_code != CLD_TRAPPED &&
	       info.si_code != CLD_STOPPED;
}

int seize_bury(struct seize *seize)
{
	int ended = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++) {
			if (task->threads[j].state == SEIZE_ENDED ||
			    !has_ended(&task->threads[j]))
				continue;
			bury(seize, &task->threads[j]);
			ended++;
		}
	}
	return ended;
}

void seize_release(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		free(seize->tasks[i].threads);
	free(seize->tasks);
	*seize = (struct seize){0};
}
