// SPDX-License-Identifier: GPL-3.0-or-later
#include "makelazy/tasks.h"

#include "base/die.h"
#include "vm/vma.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *list, size_t nr, size_t size)
{
	void *larger = reallocarray(list, nr, size);

	if (!larger)
		die(EXIT_SYSTEM, "no memory");
	return larger;
}

void task_add_stack(struct task *task, vaddr_t sp)
{
	if (!(task->nr_stacks & (task->nr_stacks - 1)))
		task->stacks = grown(task->stacks, 2 * task->nr_stacks + 1,
				     sizeof(*task->stacks));
	task->stacks[task->nr_stacks++] = sp;
}

void tasks_add(struct tasks *tasks, const Pagestream__Task *message)
{
	struct task *task;

	if (!(tasks->nr & (tasks->nr - 1)))
		tasks->all = grown(tasks->all, 2 * (size_t)tasks->nr + 1,
				   sizeof(*tasks->all));
	task = &tasks->all[tasks->nr++];
	*task = (struct task){.ns_pid = message->ns_pid};
	for (size_t i = 0; i < message->n_threads; i++)
		if (message->threads[i]->sp)
			task_add_stack(task, message->threads[i]->sp);
		else
			task->sp_missing = true;
}

struct task *tasks_find(struct tasks *tasks, uint32_t ns_pid)
{
	for (uint32_t i = 0; i < tasks->nr; i++)
		if (tasks->all[i].ns_pid == ns_pid)
			return &tasks->all[i];
	return NULL;
}

static void add_range(const struct tasks *tasks, struct runlist *list,
		      vaddr_t start, vaddr_t end)
{
	if (runlist_append_range(list, start, end, RUN_LAZY, tasks->page_size) <
	    0)
		die(EXIT_SYSTEM, "no memory");
}

static int compare(const void *a, const void *b)
{
	vaddr_t left = *(const vaddr_t *)a;
	vaddr_t right = *(const vaddr_t *)b;

	return left < right ? -1 : left > right;
}

static void sort_stacks(struct task *task)
{
	if (task->nr_stacks)
		qsort(task->stacks, task->nr_stacks, sizeof(vaddr_t), compare);
	task->at_stack = 0;
}

/* The first page from start on that a stack pointer points into, or end. */
static vaddr_t next_stack(const struct tasks *tasks, struct task *task,
			  vaddr_t start, vaddr_t end)
{
	vaddr_t page;

	while (task->at_stack < task->nr_stacks &&
	       task->stacks[task->at_stack] < start)
		task->at_stack++;
	if (task->at_stack == task->nr_stacks)
		return end;
	page = task->stacks[task->at_stack] & ~(tasks->page_size - 1ULL);
	return page < end ? page : end;
}

void task_add_mapping(struct tasks *tasks, struct task *task, vaddr_t start,
		      vaddr_t end, bool may_be_lazy)
{
	if (start < task->low)
		die(EXIT_INPUT, "bad stream: mappings that do not ascend");
	if (start % tasks->page_size || end % tasks->page_size)
		die(EXIT_INPUT, "bad stream: a mapping that begins or ends "
				"within a page");
	if (!task->low)
		sort_stacks(task);
	task->listed = true;
	task->low = end;
	if (may_be_lazy)
		add_range(tasks, &task->may, start, end);
	while (may_be_lazy && start < end) {
		vaddr_t stack = next_stack(tasks, task, start, end);

		add_range(tasks, &task->quiet, start, stack);
		start = stack + (stack < end ? tasks->page_size : 0);
	}
}

/*
 * What its line in /proc/PID/maps tells; whether it is locked does not stand
 * there.  Where a stack pointer is not known, all of [stack] stays.
 */
static bool may_be_lazy(const struct task *task, const Pagestream__Vma *vma)
{
	static const char stack[] = "[stack]";
	bool is_stack = vma->name.len == sizeof(stack) - 1 &&
			!memcmp(vma->name.data, stack, vma->name.len);

	return vma->kind == VMA_ANON && !(is_stack && task->sp_missing);
}

void task_add_vmas(struct tasks *tasks, struct task *task,
		   const Pagestream__Vmas *message)
{
	for (size_t i = 0; i < message->n_vmas; i++)
		task_add_mapping(tasks, task, message->vmas[i]->start,
				 message->vmas[i]->end,
				 may_be_lazy(task, message->vmas[i]));
}
