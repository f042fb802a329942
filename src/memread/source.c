// SPDX-License-Identifier: GPL-3.0-or-later
#include "memread/source.h"

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

static void open_source(struct source *source, const Pagestream__Task *task)
{
	pid_t tid = (pid_t)task->living_tid;

	if (mem_open(&source->mem, source->pid, tid, task->start_time) == 0)
		source->scan = pagescan_open(source->pid, tid, PAGESCAN_AUTO);
	if (source->scan)
		return;
	if (errno == ESRCH || errno == ENOENT)
		source->gone = true;
	else if (errno == EACCES || errno == EPERM)
		die(EXIT_SYSTEM,
		    "pid %d: not allowed to read its memory: run as its owner "
		    "or as root (and see "
		    "/proc/sys/kernel/yama/ptrace_scope)",
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
	};
	open_source(source, task);
	source->mem.method = method;
	sources->resident_pages += task->resident_pages;
}
