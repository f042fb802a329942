// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/seize.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK 64 /* threads */
#define PEEK (WSTOPPED | WEXITED | __WALL | WNOHANG | WNOWAIT)

static void tick(const struct seize *seize, size_t nr)
{
	if (nr % TICK == 0 && seize->tick)
		seize->tick(seize->tick_of);
}

static long options_of(const struct seize *seize)
{
	return PTRACE_O_TRACECLONE |
	       (seize->tree ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK : 0);
}

static struct seize_task *task_add(struct seize *seize, pid_t pid)
{
	struct seize_task *task;

	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].pid == pid)
			return &seize->tasks[i];
	if (seize->nr_tasks == seize->room_tasks) {
		size_t room = seize->room_tasks ? 2 * seize->room_tasks : 16;

		task = reallocarray(seize->tasks, room, sizeof(*task));
		if (!task)
			return NULL;
		seize->tasks = task;
		seize->room_tasks = room;
	}
	task = &seize->tasks[seize->nr_tasks++];
	*task = (struct seize_task){.pid = pid};
	seize->restless = true;
	return task;
}

int seize_name(struct seize *seize, pid_t pid)
{
	struct seize_task *task = task_add(seize, pid);

	if (!task)
		return -1;
	task->named = true;
	return 0;
}

static struct seize_thread *thread_find(struct seize_task *task, pid_t tid)
{
	for (size_t i = 0; i < task->nr_threads; i++)
		if (task->threads[i].tid == tid &&
		    task->threads[i].state != SEIZE_ENDED)
			return &task->threads[i];
	return NULL;
}

static int thread_add(struct seize_task *task, pid_t tid)
{
	struct task_status status;
	pid_t ns_tid = tid;

	if (task->nr_threads == task->room_threads) {
		size_t room = task->room_threads ? 2 * task->room_threads : 16;
		struct seize_thread *threads =
			reallocarray(task->threads, room, sizeof(*threads));

		if (!threads)
			return -1;
		task->threads = threads;
		task->room_threads = room;
	}
	if (task->foreign && task_status(task->pid, tid, &status) == 0)
		ns_tid = status.ns_pid;
	task->threads[task->nr_threads++] = (struct seize_thread){
		.tid = tid,
		.ns_tid = ns_tid,
		.state = SEIZE_RUNS,
	};
	return 0;
}

static enum seize_result blame(struct seize *seize, enum seize_result result,
			       pid_t culprit)
{
	seize->culprit = culprit;
	return result;
}

/* EPERM has many causes: ours by PTRACE_O_TRACECLONE, exiting, traced, not
 * allowed. */
static enum seize_result refused(struct seize *seize, struct seize_task *task,
				 pid_t tid)
{
	struct task_status status;
	struct task_stat stat;

	if (task_status(task->pid, tid, &status) < 0 ||
	    task_stat(task->pid, tid, &stat) < 0)
		return SEIZE_OK;
	if (status.tracer == getpid())
		return thread_add(task, tid) < 0 ? SEIZE_ERROR : SEIZE_OK;
	if (stat.state == 'Z' || stat.state == 'X')
		return SEIZE_OK;
	if (status.tracer) {
		seize->tracer = status.tracer;
		return blame(seize, SEIZE_TRACED, task->pid);
	}
	if (task->named)
		return blame(seize, SEIZE_DENIED, task->pid);
	task->left_out = true;
	task->denied = true;
	return SEIZE_OK;
}

static enum seize_result attach_thread(struct seize *seize,
				       struct seize_task *task, pid_t tid)
{
	if (thread_find(task, tid))
		return SEIZE_OK;
	if (!ptrace(PTRACE_SEIZE, tid, NULL, options_of(seize))) {
		seize->restless = true;
		return thread_add(task, tid) < 0 ? SEIZE_ERROR : SEIZE_OK;
	}
	if (errno == ESRCH)
		seize->restless = true;
	return errno == EPERM ? refused(seize, task, tid) : SEIZE_OK;
}

static bool same_pid_namespace(pid_t pid)
{
	struct stat own;
	struct stat other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return stat(path, &other) == 0 &&
	       stat("/proc/self/ns/pid", &own) == 0 &&
	       own.st_ino == other.st_ino;
}

/* What TASK will say of it; gathered while it still runs. */
static enum seize_result describe(struct seize *seize, struct seize_task *task)
{
	struct task_status status;

	if (task->stat.start_time)
		return SEIZE_OK;
	if (task_stat(task->pid, 0, &task->stat) < 0 ||
	    task_status(task->pid, 0, &status) < 0) {
		if (task->named)
			return blame(seize, SEIZE_GONE, task->pid);
		task->left_out = true;
		return SEIZE_OK;
	}
	task->uid = status.uid;
	task->ns_pid = status.ns_pid;
	task->foreign = !same_pid_namespace(task->pid);
	return SEIZE_OK;
}

static enum seize_result add_children(struct seize *seize, pid_t pid, pid_t tid)
{
	struct buf children = {0};
	enum seize_result result = SEIZE_OK;

	if (task_children(pid, tid, &children) == 0) {
		const pid_t *child = (const pid_t *)children.data;
		size_t nr = children.size / sizeof(*child);

		for (size_t i = 0; i < nr && result == SEIZE_OK; i++)
			if (!task_add(seize, child[i]))
				result = SEIZE_ERROR;
	}
	buf_release(&children);
	return result;
}

/* tasks may move while children are added, hence the index. */
static enum seize_result attach_task(struct seize *seize, size_t index)
{
	struct buf tids = {0};
	pid_t pid = seize->tasks[index].pid;
	enum seize_result result = describe(seize, &seize->tasks[index]);
	const pid_t *tid;
	size_t nr;

	if (result != SEIZE_OK || seize->tasks[index].left_out)
		return result;
	task_threads(pid, &tids);
	tid = (const pid_t *)tids.data;
	nr = tids.size / sizeof(*tid);
	for (size_t i = 0; i < nr && result == SEIZE_OK; i++) {
		tick(seize, i);
		result = attach_thread(seize, &seize->tasks[index], tid[i]);
	}
	for (size_t i = 0; i < nr && result == SEIZE_OK && seize->tree; i++) {
		tick(seize, i);
		result = add_children(seize, pid, tid[i]);
	}
	if (result == SEIZE_OK && !seize->tasks[index].nr_threads) {
		if (seize->tasks[index].named)
			result = blame(seize, SEIZE_GONE, pid);
		seize->tasks[index].left_out = true;
	}
	buf_release(&tids);
	return result;
}

/* Passes over all tasks until one finds nothing new. */
static enum seize_result attach_all(struct seize *seize)
{
	enum seize_result result = SEIZE_OK;

	do {
		seize->restless = false;
		for (size_t i = 0; i < seize->nr_tasks; i++) {
			result = attach_task(seize, i);
			if (result != SEIZE_OK)
				return result;
		}
	} while (seize->restless);
	return result;
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

	seize->restless = true;
	if (ptrace(PTRACE_GETEVENTMSG, parent, NULL, &child) < 0 || !child ||
	    task_status((pid_t)child, 0, &status) < 0)
		return;
	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize->tasks[i].pid == status.tgid)
			return;
	task = task_add(seize, status.tgid);
	if (task)
		task->stray = !seize->tree;
}

static void bury(struct seize *seize, struct seize_thread *thread)
{
	waitpid(thread->tid, NULL, __WALL | WNOHANG);
	thread->state = SEIZE_ENDED;
	seize->restless = true;
}

/* Looks once at what a seized thread does. */
static void peek(struct seize *seize, struct seize_thread *thread)
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
	if (event != PTRACE_EVENT_STOP) {
		note_birth(seize, thread->tid);
		if (seize->stop_ns > seize->attach_ns)
			seize->stop_ns = seize->attach_ns;
	}
	thread->state = SEIZE_STOPPED;
}

/* Waits for news of any thread; false when the time is over. */
static bool wait_for_news(uint64_t until)
{
	uint64_t now = clock_ns();
	struct timespec left;
	sigset_t set;

	if (now >= until)
		return false;
	left.tv_sec = (time_t)((until - now) / S_NS);
	left.tv_nsec = (long)((until - now) % S_NS);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	return sigtimedwait(&set, NULL, &left) >= 0 || errno == EINTR;
}

static bool settle_task(struct seize *seize, size_t index, uint64_t until)
{
	/* a birth may move the tasks, but not the threads of this one */
	size_t nr = seize->tasks[index].nr_threads;
	struct seize_thread *threads = seize->tasks[index].threads;

	for (size_t i = 0; i < nr; i++) {
		tick(seize, i);
		for (;;) {
			if (threads[i].state == SEIZE_RUNS)
				peek(seize, &threads[i]);
			if (threads[i].state != SEIZE_RUNS)
				break;
			if (!wait_for_news(until))
				return false;
		}
	}
	return true;
}

static bool settle(struct seize *seize, uint64_t until)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (!settle_task(seize, i, until))
			return false;
	return true;
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
		if (task->threads[i].state == SEIZE_STOPPED)
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
		if (task->named)
			return blame(seize, SEIZE_GONE, task->pid);
		task->left_out = true;
	}
	return SEIZE_OK;
}

enum seize_result seize_stop(struct seize *seize, uint64_t limit_ns)
{
	enum seize_result result;

	seize->attach_ns = clock_ns();
	result = attach_all(seize);
	seize->stop_ns = clock_ns();
	if (result == SEIZE_OK)
		result = stop_all(seize, seize->stop_ns + limit_ns);
	if (result == SEIZE_OK)
		result = miss_ended(seize);
	if (result != SEIZE_OK)
		seize_resume(seize);
	return result;
}

/* Forgets the threads that are not seized any more. */
static void forget_detached(struct seize_task *task)
{
	size_t kept = 0;

	for (size_t i = 0; i < task->nr_threads; i++)
		if (task->threads[i].state == SEIZE_RUNS)
			task->threads[kept++] = task->threads[i];
	task->nr_threads = kept;
}

void seize_resume(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			if (task->threads[j].state == SEIZE_STOPPED)
				ptrace(PTRACE_DETACH, task->threads[j].tid,
				       NULL, NULL);
	}
	for (size_t i = 0; i < seize->nr_tasks; i++)
		forget_detached(&seize->tasks[i]);
}

void seize_catch(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			peek(seize, &task->threads[j]);
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
