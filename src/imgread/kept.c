// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgread/kept.h"

#include "base/own.h"
#include "image/img.h"
#include "image/summary_img.h"
#include "stream/head.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

static ProtobufCBinaryData bytes(const void *data, size_t size)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)data, .len = size};
}

static _Noreturn void bad(const struct kept *kept, const char *why)
{
	die(EXIT_INPUT, "%s/" HEAD_NAME ": %s", kept->contents->path, why);
}

static void add_task(struct kept *kept, uint32_t pid, bool gone)
{
	kept->tasks = reallocarray(kept->tasks, kept->nr_tasks + 1,
				   sizeof(*kept->tasks));
	if (!kept->tasks)
		die(EXIT_SYSTEM, "no memory");
	kept->tasks[kept->nr_tasks++] = (struct kept_task){pid, gone};
}

/* --- pagepipe.head --- */

typedef void act_t(struct kept *kept, struct stage *stage,
		   struct stream_reader *reader, const struct frame *frame);

/* It ends without END, but with a whole frame. */
static void walk(struct kept *kept, struct stage *stage, act_t *act)
{
	own_fd int fd = img_open(kept->dir, HEAD_NAME);
	struct stream_reader reader;
	struct frame frame;
	enum frame_status status;
	uint64_t whole = 0;

	if (fd < 0 && errno == EBADMSG)
		bad(kept, "is no file");
	if (fd < 0 || stream_reader_init(&reader, fd, -1) < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s/" HEAD_NAME,
			  kept->contents->path);
	while ((status = stream_next(&reader, &frame)) == FRAME_OK) {
		act(kept, stage, &reader, &frame);
		whole = reader.frames.offset;
	}
	if (status == FRAME_ERROR)
		die_errno(EXIT_SYSTEM, "cannot read %s/" HEAD_NAME,
			  kept->contents->path);
	if (status != FRAME_TRUNCATED || whole != reader.frames.offset)
		die(EXIT_INPUT, "%s/" HEAD_NAME ": byte %" PRIu64 ": %s",
		    kept->contents->path, reader.frames.offset,
		    status == FRAME_BAD ? stream_why(&reader)
					: "it is cut short, or has an END");
	stream_reader_release(&reader);
}

/* Only descendants may have gone; imgwrite makes no directory otherwise. */
static void note_task(struct kept *kept, const Pagestream__Task *task)
{
	bool gone = !contents_has_task(kept->contents, task->ns_pid);

	if (gone && task->named)
		die(EXIT_INPUT,
		    "%s/pagemap-%" PRIu32 ".img: is not there, and " HEAD_NAME
		    " names its process",
		    kept->contents->path, task->ns_pid);
	if (gone)
		detail("pid %" PRIu32 " has no pages: it ended, or called "
		       "exec, while it was copied",
		       task->pid);
	add_task(kept, task->ns_pid, gone);
}

static void note_frame(struct kept *kept, struct stage *unused,
		       struct stream_reader *reader, const struct frame *frame)
{
	(void)unused;
	switch (frame->kind) {
	case KIND_HELLO:
		kept->page_size = reader->hello->page_size;
		break;
	case KIND_TASK:
		note_task(kept, (const Pagestream__Task *)reader->message);
		break;
	case KIND_RELEASE:
	case KIND_THAWED:
		kept->released = true;
		break;
	case KIND_VMAS:
		break;
	default:
		bad(kept, "holds a frame that has no place in it");
	}
}

static void new_session(Pagestream__Hello *hello, uint8_t *session)
{
	static const char version[] = "imgread " VERSION;

	if (getrandom(session, 16, 0) != 16)
		die_errno(EXIT_SYSTEM, "no random numbers");
	hello->session = bytes(session, 16);
	hello->writer = bytes(version, sizeof(version) - 1);
}

/* Where it came from stays; what is live in it does not. */
static void send_hello(struct stage *stage, const Pagestream__Hello *kept)
{
	Pagestream__Hello hello = *kept;
	uint8_t session[16];

	new_session(&hello, session);
	hello.mode = PAGESTREAM__MODE__NEVER_STOPPED;
	hello.keeper = (char *)protobuf_c_empty_string;
	hello.leased = 0;
	hello.hold = 0;
	hello.tracker = (char *)protobuf_c_empty_string;
	stage_control(stage, KIND_HELLO, 0, &hello.base);
}

/* In a consistent copy THAWED stands behind the pages, which come first. */
static bool is_late(const struct stream_reader *reader)
{
	return reader->place == PLACE_LATE_THAWED;
}

/* With its parents' pages in it, it builds on none of them. */
static void send_baseless(struct kept *kept, struct stage *stage,
			  struct stream_reader *reader, enum frame_kind kind)
{
	Pagestream__Release release = *(Pagestream__Release *)reader->message;

	release.base_generation = 0;
	release.base_uptime_us = 0;
	if (!is_late(reader))
		stage_control(stage, kind, 0, &release.base);
	else if (control_encode(&release.base, &kept->late) < 0)
		die(EXIT_SYSTEM, "no memory");
}

static void send_frame(struct kept *kept, struct stage *stage,
		       struct stream_reader *reader, const struct frame *frame)
{
	if (frame->kind == KIND_HELLO)
		send_hello(stage, reader->hello);
	else if (kept->flatten &&
		 (frame->kind == KIND_RELEASE || frame->kind == KIND_THAWED))
		send_baseless(kept, stage, reader, frame->kind);
	else if (!is_late(reader))
		stage_pass(stage, frame);
	else if (buf_append(&kept->late, frame->table, frame->table_size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

/* Each pagemap is of a task that it names. */
static void check_tasks(const struct kept *kept)
{
	size_t nr = 0;

	for (uint32_t i = 0; i < kept->nr_tasks; i++)
		nr += !kept->tasks[i].gone;
	if (nr != kept->contents->nr_tasks)
		bad(kept, "does not name the process of each pagemap");
}

/* --- CRIU's own directories --- */

static void make_hello(const struct kept *kept, struct stage *stage)
{
	static const uint8_t unknown[16];
	Pagestream__Hello hello = PAGESTREAM__HELLO__INIT;
	uint8_t session[16];
	struct utsname host;

	uname(&host);
	hello.version = CONTROL_VERSION;
	hello.page_size = kept->page_size;
	hello.machine = bytes(host.machine, strlen(host.machine));
	hello.boot_id = bytes(unknown, sizeof(unknown));
	new_session(&hello, session);
	stage_control(stage, KIND_HELLO, 0, &hello.base);
}

static void make_task(struct stage *stage, uint32_t subject, uint32_t pid)
{
	Pagestream__Task task = PAGESTREAM__TASK__INIT;
	Pagestream__Thread thread = PAGESTREAM__THREAD__INIT;
	Pagestream__Thread *threads = &thread;

	thread.tid = pid;
	thread.ns_tid = pid;
	task.pid = pid;
	task.ns_pid = pid;
	task.living_tid = pid;
	task.named = 1;
	task.n_threads = 1;
	task.threads = &threads;
	stage_control(stage, KIND_TASK, subject, &task.base);
}

static void make_thawed(const struct kept *kept, struct stage *stage)
{
	Pagestream__Release release = PAGESTREAM__RELEASE__INIT;

	release.uptime_us = kept->uptime_us;
	release.clk_tck = (uint32_t)sysconf(_SC_CLK_TCK);
	stage_control(stage, KIND_THAWED, 0, &release.base);
}

/* --- either --- */

void kept_read(struct kept *kept, int dir, const struct contents *contents)
{
	*kept = (struct kept){.dir = dir, .contents = contents};
	if (inventory_read(dir, &kept->uptime_us) < 0)
		die(EXIT_INPUT, "%s/" INVENTORY_NAME ": byte 0: is damaged",
		    contents->path);
	if (contents->has_head) {
		walk(kept, NULL, note_frame);
		if (!kept->released)
			bad(kept, "does not say when the target was stopped");
		check_tasks(kept);
		return;
	}
	kept->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < contents->nr_tasks; i++)
		add_task(kept, contents->tasks[i], false);
}

void kept_send(struct kept *kept, struct stage *stage)
{
	if (kept->contents->has_head) {
		walk(kept, stage, send_frame);
		return;
	}
	make_hello(kept, stage);
	for (uint32_t i = 0; i < kept->nr_tasks; i++)
		make_task(stage, i, kept->tasks[i].pid);
	make_thawed(kept, stage);
}

void kept_send_late(struct kept *kept, struct stage *stage)
{
	struct frame thawed = {
		.kind = KIND_THAWED,
		.table = (const uint8_t *)kept->late.data,
		.table_size = (uint32_t)kept->late.size,
	};

	if (kept->late.size)
		stage_pass(stage, &thawed);
	buf_release(&kept->late);
}
