// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/attach.h"

#include "proc/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

/* Also without descendants: one may share the memory (proc/sharer.h). */
#define OPTIONS                                                                \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |      \
	 PTRACE_O_TRACEEXEC)

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

struct seize_task *attach_add_task(struct seize *seize, pid_t pid)
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
	*task = (struct seize_task){
		.pid = pid,
		.foreign = !same_pid_namespace(pid),
	};
	seize->restless = true;
	return task;
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
	// NOLINTNEXTLINE(analyzer-malloc-leak): task has them
	return 0;
}

static enum seize_result blame(struct seize *seize, enum seize_result result,
			       pid_t culprit)
{
	seize->culprit = culprit;
	return result;
}

static enum seize_result add_seized(struct seize *seize,
				    struct seize_task *task, pid_t tid)
{
	seize->restless = true;
	return thread_add(task, tid) < 0 ? SEIZE_ERROR : SEIZE_OK;
}

/* Not allowed: fatal for a named process, a descendant is left out. */
static enum seize_result deny(struct seize *seize, struct seize_task *task)
{
	if (task->named)
		return blame(seize, SEIZE_DENIED, task->pid);
	task->left_out = true;
	task->denied = true;
	return SEIZE_OK;
}

/*
 * EPERM has many causes: attached by PTRACE_O_TRACECLONE, exiting, traced, or
 * not allowed.  A tracer may let go between the refusal and our question, so
 * "nobody traces it" asks for another try.
 */
static enum seize_result refused(struct seize *seize, struct seize_task *task,
				 pid_t tid, bool *again)
{
	struct task_status status;
	struct task_stat stat;

	if (task_status(task->pid, tid, &status) < 0 ||
	    task_stat(task->pid, tid, &stat) < 0)
		return procfs_is_gone() ? SEIZE_OK : SEIZE_ERROR;
	if (status.tracer == getpid())
		return add_seized(seize, task, tid);
	if (stat.state == 'Z' || stat.state == 'X')
		return SEIZE_OK;
	if (status.tracer) {
		seize->tracer = status.tracer;
		return blame(seize, SEIZE_TRACED, task->pid);
	}
	*again = true;
	return SEIZE_OK;
}

static enum seize_result attach_thread(struct seize *seize,
				       struct seize_task *task, pid_t tid)
{
	enum seize_result result;

	if (thread_find(task, tid))
		return SEIZE_OK;
	for (int tries = 0; tries < 3; tries++) {
		bool again = false;

		if (!ptrace(PTRACE_SEIZE, tid, NULL, OPTIONS))
			return add_seized(seize, task, tid);
		if (errno == ESRCH) {
			seize->restless = true;
			return SEIZE_OK;
		}
		if (errno != EPERM)
			return SEIZE_ERROR;
		result = refused(seize, task, tid, &again);
		if (!again)
			return result;
	}
	return deny(seize, task);
}

/*
 * What TASK will say of it.  Its threads are seized before, so that an exec
 * after this does not pass unseen (peek() in seize.c).
 */
static enum seize_result describe(struct seize *seize, struct seize_task *task)
{
	struct task_status status;

	if (task_stat(task->pid, 0, &task->stat) < 0 ||
	    task_status(task->pid, 0, &status) < 0) {
		if (!procfs_is_gone())
			return SEIZE_ERROR;
		if (task->named)
			return blame(seize, SEIZE_GONE, task->pid);
		task->left_out = true;
		return SEIZE_OK;
	}
	task->uid = status.uid;
	task->ns_pid = status.ns_pid;
	task->described = true;
	return SEIZE_OK;
}

/* One that was taken for a stray (its parent was not known) is none. */
static enum seize_result add_child(struct seize *seize, pid_t pid)
{
	struct seize_task *task = attach_add_task(seize, pid);

	if (!task)
		return SEIZE_ERROR;
	seize->restless |= task->stray;
	task->stray = false;
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
			result = add_child(seize, child[i]);
	} else if (!procfs_is_gone()) {
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
	enum seize_result result = SEIZE_OK;
	const pid_t *tid;
	bool descend;
	size_t nr;

	if (seize->tasks[index].left_out)
		return SEIZE_OK;
	if (task_threads(pid, &tids) < 0 && !procfs_is_gone())
		result = SEIZE_ERROR;
	tid = (const pid_t *)tids.data;
	nr = tids.size / sizeof(*tid);
	for (size_t i = 0; i < nr && result == SEIZE_OK; i++) {
		attach_tick(seize, i);
		result = attach_thread(seize, &seize->tasks[index], tid[i]);
	}
	descend = seize->tree && !seize->tasks[index].stray;
	for (size_t i = 0; i < nr && result == SEIZE_OK && descend; i++) {
		attach_tick(seize, i);
		result = add_children(seize, pid, tid[i]);
	}
	if (result == SEIZE_OK && !seize->tasks[index].nr_threads) {
		if (seize->tasks[index].named)
			result = blame(seize, SEIZE_GONE, pid);
		seize->tasks[index].left_out = true;
	}
	if (result == SEIZE_OK && !seize->tasks[index].described)
		result = describe(seize, &seize->tasks[index]);
	buf_release(&tids);
	return result;
}

/* Passes over all tasks until one finds nothing new. */
enum seize_result attach_all(struct seize *seize)
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
