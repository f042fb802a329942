// SPDX-License-Identifier: GPL-3.0-or-later
#include "freeze/report.h"

#include "base/own.h"
#include "proc/host.h"
#include "proc/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>

#define MAPS_ROOM  (1 << 20)  /* bytes: 10,000 mappings and more */
#define MAPS_PIECE (64 << 10) /* bytes of text in one frame */

static ProtobufCBinaryData bytes(const void *data, size_t size)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)data, .len = size};
}

static void need(struct report *report, bool there)
{
	if (there)
		return;
	keeper_thaw(report->keeper);
	die(EXIT_SYSTEM, "no memory");
}

static void append(struct report *report, enum frame_kind kind,
		   uint32_t subject, const ProtobufCMessage *message)
{
	need(report, stream_append(&report->writer, kind, subject, message,
				   &report->keeper->pending) == 0);
}

void report_begin(struct report *report, struct keeper *keeper)
{
	*report = (struct report){.keeper = keeper};
	stream_writer_init(&report->writer, keeper->out);
	need(report, buf_reserve(&report->maps, MAPS_ROOM) == 0);
	memset(report->maps.data, 0, MAPS_ROOM); /* no page faults later */
}

/* The processes of the command line, which are the first ones. */
static void name_targets(struct report *report, Pagestream__Hello *hello)
{
	const struct seize *seize = &report->keeper->seize;

	hello->named = calloc(seize->nr_tasks, sizeof(*hello->named));
	need(report, hello->named);
	for (size_t i = 0; i < seize->nr_tasks; i++)
		hello->named[hello->n_named++] = (uint32_t)seize->tasks[i].pid;
}

void report_hello(struct report *report, bool consistent)
{
	Pagestream__Hello hello = PAGESTREAM__HELLO__INIT;
	struct host_boot_id boot_id = {0};
	uint8_t session[16];
	struct utsname host;
	static const char version[] = "freeze " VERSION;

	uname(&host);
	if (host_boot_id(&boot_id) < 0 ||
	    getrandom(session, sizeof(session), 0) != sizeof(session))
		die_errno(EXIT_SYSTEM, "cannot tell which machine this is");
	hello.version = CONTROL_VERSION;
	hello.page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	hello.machine = bytes(host.machine, strlen(host.machine));
	hello.host = bytes(host.nodename, strlen(host.nodename));
	hello.boot_id = bytes(boot_id.bytes, sizeof(boot_id.bytes));
	hello.session = bytes(session, sizeof(session));
	hello.mode = consistent ? PAGESTREAM__MODE__CONSISTENT
				: PAGESTREAM__MODE__PREDUMP;
	hello.keeper = report->keeper->name;
	hello.writer = bytes(version, sizeof(version) - 1);
	name_targets(report, &hello);
	append(report, KIND_HELLO, 0, &hello.base);
	free(hello.named);
}

static bool is_subject(const struct seize_task *task)
{
	return !task->left_out && !task->stray;
}

/* 100,000 mappings take their time, during which we are alive. */
static int read_text(struct report *report, const struct seize_task *task)
{
	const struct seize *seize = &report->keeper->seize;
	own_fd int fd = procfs_open(task->pid, seize_living(task)->tid, "maps");
	int result = fd < 0 ? -1 : 1;

	while (result > 0) {
		seize->tick(seize->tick_of);
		result = procfs_read_more(fd, &report->maps);
	}
	return result;
}

static void read_maps(struct report *report, const struct seize_task *task)
{
	if (read_text(report, task) == 0)
		return;
	keeper_thaw(report->keeper);
	if (errno == ENOENT || errno == ESRCH)
		die(EXIT_TARGET, "pid %d: killed while it was stopped",
		    task->pid);
	die_errno(EXIT_SYSTEM, "pid %d: cannot read its maps", task->pid);
}

void report_look(struct report *report)
{
	const struct seize *seize = &report->keeper->seize;

	report->ends = calloc(seize->nr_tasks + 1, sizeof(*report->ends));
	need(report, report->ends);
	for (size_t i = 0; i < seize->nr_tasks; i++) {
		if (!is_subject(&seize->tasks[i]))
			continue;
		read_maps(report, &seize->tasks[i]);
		report->ends[report->nr_subjects++] = report->maps.size;
	}
}

static void fill_threads(const struct seize_task *task, Pagestream__Task *out,
			 Pagestream__Thread *threads)
{
	for (size_t i = 0; i < task->nr_threads; i++) {
		Pagestream__Thread *thread = &threads[out->n_threads];

		if (!seize_was_stopped(&task->threads[i]))
			continue;
		pagestream__thread__init(thread);
		thread->tid = (uint32_t)task->threads[i].tid;
		thread->ns_tid = (uint32_t)task->threads[i].ns_tid;
		thread->sp = task->threads[i].sp;
		out->threads[out->n_threads++] = thread;
	}
}

static void report_task(struct report *report, const struct seize_task *task,
			uint32_t subject)
{
	own_free Pagestream__Thread *threads =
		calloc(task->nr_threads, sizeof(*threads));
	own_free Pagestream__Thread **pointers =
		// NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers
		calloc(task->nr_threads, sizeof(*pointers));
	Pagestream__Task out = PAGESTREAM__TASK__INIT;

	need(report, threads && pointers);
	out.threads = pointers;
	fill_threads(task, &out, threads);
	out.pid = (uint32_t)task->pid;
	out.ns_pid = (uint32_t)task->ns_pid;
	out.parent = (uint32_t)task->stat.parent;
	out.start_time = task->stat.start_time;
	out.name = bytes(task->stat.name, task->stat.name_size);
	out.uid = task->uid;
	out.resident_pages = task->stat.resident_pages;
	out.living_tid = (uint32_t)seize_living(task)->tid;
	out.named = task->named;
	out.start_stack = task->stat.start_stack;
	append(report, KIND_TASK, subject, &out.base);
}

static void append_maps(struct report *report)
{
	Pagestream__Maps maps = PAGESTREAM__MAPS__INIT;
	size_t left;

	while (report->ends[report->subject] == report->sent)
		report->subject++; /* it had none: it was being killed */
	left = report->ends[report->subject] - report->sent;
	if (left > MAPS_PIECE)
		left = MAPS_PIECE;
	maps.text = bytes(report->maps.data + report->sent, left);
	append(report, KIND_MAPS, report->subject, &maps.base);
	report->sent += left;
}

static void append_end(struct report *report)
{
	Pagestream__End end = PAGESTREAM__END__INIT;

	end.stage = PAGESTREAM__STAGE__FREEZE;
	end.uptime_us = report->keeper->uptime_us;
	need(report, stream_append_end(&report->writer, &end,
				       &report->keeper->pending) == 0);
	report->ended = true;
}

/* What freeze writes next; see struct keeper. */
static bool more(struct keeper *keeper)
{
	struct report *report = keeper->more_of;

	if (report->sent < report->maps.size)
		append_maps(report);
	else if (!report->ended)
		append_end(report);
	else
		return false;
	return true;
}

void report_tasks(struct report *report)
{
	const struct seize *seize = &report->keeper->seize;
	uint32_t subject = 0;

	for (size_t i = 0; i < seize->nr_tasks; i++)
		if (is_subject(&seize->tasks[i]))
			report_task(report, &seize->tasks[i], subject++);
	report->keeper->more = more;
	report->keeper->more_of = report;
}
