// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/seize.h"

#include "base/clock.h"
#include "proc/arch.h"
#include "proc/attach.h"
#include "proc/settle.h"
#include "proc/sharer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int seize_name(struct seize *seize, pid_t pid)
{
	struct seize_task *task = attach_add_task(seize, pid);

	if (!task)
		return -1;
	task->named = true;
	return 0;
}

static void interrupt(struct seize_thread *thread)
{
	if (thread->state != SEIZE_RUNS)
		return;
	thread->interrupted = true;
	ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
}

static void interrupt_all(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		for (size_t j = 0; j < seize->tasks[i].nr_threads; j++)
			interrupt(&seize->tasks[i].threads[j]);
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
		if (!settle_all(seize, until))
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
	const struct seize_thread *living = NULL;

	for (size_t i = 0; i < task->nr_threads; i++) {
		if (!seize_was_stopped(&task->threads[i]))
			continue;
		if (!living || task->threads[i].tid == task->pid)
			living = &task->threads[i];
	}
	return living;
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

/* While they still sleep: not those that an earlier attempt has woken. */
static void look_at_sleepers(struct seize *seize)
{
	struct sleeper_clocks clocks = {0};

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++) {
			attach_tick(seize, j);
			if (!task->threads[j].interrupted)
				task->threads[j].sleeper = sleeper_look(
					task->pid, task->threads[j].tid,
					&clocks);
		}
	}
}

/* All that were asked for, and what shares their memory. */
static enum seize_result attach_sharers(struct seize *seize)
{
	enum seize_result result = attach_all(seize);

	if (result == SEIZE_OK && sharers_add(seize) < 0)
		return SEIZE_ERROR;
	return result == SEIZE_OK ? attach_all(seize) : result;
}

enum seize_result seize_stop(struct seize *seize, uint64_t limit_ns)
{
	enum seize_result result;

	start_anew(seize);
	seize->attach_ns = clock_ns();
	result = attach_sharers(seize);
	look_at_sleepers(seize);
	seize->stop_ns = clock_ns();
	if (result == SEIZE_OK)
		result = stop_all(seize, seize->stop_ns + limit_ns);
	if (result == SEIZE_OK)
		result = miss_ended(seize);
	if (result != SEIZE_OK) {
		int error = errno;

		undo(seize);
		errno = error;
	}
	return result;
}

static void resume(struct seize_thread *thread)
{
	uint64_t now;

	if (thread->state != SEIZE_STOPPED)
		return;
	if (thread->deadline_ns) { /* the stop has gone by */
		now = clock_ns();
		arch_set_limit(thread->tid, thread->deadline_ns > now
						    ? thread->deadline_ns - now
						    : 0);
	}
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

/* A pid cannot be used again while its threads are held. */
static int signal_all(const struct seize *seize, int number)
{
	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (seize_living(&seize->tasks[i]) &&
		    kill(seize->tasks[i].pid, number) < 0)
			return -1;
	return 0;
}

int seize_leave_stopped(const struct seize *seize)
{
	if (signal_all(seize, 0) < 0) /* may we?  All, or none */
		return -1;
	return signal_all(seize, SIGSTOP);
}

void seize_catch(struct seize *seize)
{
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++)
			if (task->threads[j].state == SEIZE_RUNS)
				settle_peek(seize, i, &task->threads[j]);
	}
	seize_resume(seize);
}

int seize_bury(struct seize *seize)
{
	int ended = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++) {
		struct seize_task *task = &seize->tasks[i];

		for (size_t j = 0; j < task->nr_threads; j++) {
			if (task->threads[j].state == SEIZE_ENDED ||
			    !settle_has_ended(&task->threads[j]))
				continue;
			settle_bury(seize, &task->threads[j]);
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
