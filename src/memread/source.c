// SPDX-License-Identifier: GPL-3.0-or-later
#include "memread/source.h"

#include "proc/task.h"

#include <errno.h>
#include <stdlib.h>

static struct source *new_source(struct sources *sources)
{
	if (sources->nr == sources->room) {
		sources->room = 2 * sources->room + 16;
		sources->all = reallocarray(sources->all, sources->room,
					    sizeof(*sources->all));
		if (!sources->all)
			die(EXIT_SYSTEM, "no memory");
	}
	return &sources->all[sources->nr++];
}

static bool open_through(struct source *source, const Pagestream__Task *task,
			 pid_t tid)
{
	struct mem_owner owner = {
		.pid = source->pid,
		.start_time = task->start_time,
		.start_stack = task->start_stack,
	};

	if (mem_open(&source->mem, &owner, tid) < 0)
		return false;
	source->scan = pagescan_open(source->pid, tid, PAGESCAN_AUTO);
	if (!source->scan)
		mem_close(&source->mem);
	source->tid = tid;
	return source->scan;
}

/* Through any thread: the one that freeze found may have ended meanwhile. */
static void open_source(struct source *source, const Pagestream__Task *task)
{
	pid_t tid = (pid_t)task->living_tid;
	bool open = open_through(source, task, tid);

	for (int tries = 0; tries < TASK_TRIES && !open; tries++)
		if ((errno == ESRCH || errno == ENOENT) &&
		    task_another_thread(source->pid, &tid))
			open = open_through(source, task, tid);
	if (open)
		return;
	if (errno == ESRCH || errno == ENOENT)
		source->gone = true;
	else if (errno == EACCES || errno == EPERM)
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to read its memory: run as its owner "
		    "or as root (and see "
		    "/proc/sys/kernel/yama/ptrace_scope, CAP_SYS_PTRACE)",
		    source->pid);
	else
		die_errno(EXIT_SYSTEM, "pid %d: cannot open its memory",
			  source->pid);
}

void sources_add(struct sources *sources, const Pagestream__Task *task,
		 enum mem_method method)
{
	struct source *source = new_source(sources);

	*source = (struct source){
		.pid = (pid_t)task->pid,
		.named = task->named,
		.mem.fd = -1,
		.mem.method = method,
		.skipped.key = {(pid_t)task->pid, task->start_time,
				task->start_stack},
	};
	open_source(source, task);
	source->mem.method = method;
	sources->resident_pages += task->resident_pages;
}

/*
 * A page that the target has dropped from under its own userfaultfd makes
 * process_vm_readv(2) wait for whoever serves it; /proc/PID/mem fails at once
 * (Linux 6.18, tried).
 */
void sources_mind_userfaultfd(struct sources *sources)
{
	for (uint32_t i = 0; i < sources->nr; i++) {
		struct source *source = &sources->all[i];

		if (source->mem.method == MEM_AUTO && !source->gone &&
		    task_has_descriptor(source->pid, source->tid,
					"anon_inode:[userfaultfd]") > 0)
			source->mem.method = MEM_FILE;
	}
}
