// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/stage.h"

#include "base/io.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)

static void need_descriptor(int fd, const char *name)
{
	if (fcntl(fd, F_GETFD) < 0)
		die(EXIT_USAGE, "%s is closed", name);
}

/* Some descriptors a task; the soft limit is for programs that use select. */
static void allow_many_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void stage_prepare(enum stage_side sides)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	allow_many_descriptors();
	signal(SIGPIPE, SIG_IGN);
	if (sides & STAGE_READS) {
		need_descriptor(STDIN_FILENO, "standard input");
		if (isatty(STDIN_FILENO))
			die(EXIT_USAGE, "a page stream is not typed in; "
					"put it behind a pipe");
		io_pipe_room(STDIN_FILENO, PIPE_SIZE);
	}
	if (sides & STAGE_WRITES) {
		need_descriptor(STDOUT_FILENO, "standard output");
		if (isatty(STDOUT_FILENO))
			die(EXIT_USAGE, "a page stream is not for a terminal; "
					"pipe it on, or into framedump");
		io_pipe_room(STDOUT_FILENO, PIPE_SIZE);
		die_closes(STDOUT_FILENO);
	}
}

void stage_begin(struct stage *stage, enum _Pagestream__Stage id,
		 enum stage_side sides)
{
	stage_prepare(sides);
	stage->id = id;
	stage->sides = sides;
	if (stream_reader_init(&stage->in, STDIN_FILENO,
			       sides & STAGE_WRITES ? STDOUT_FILENO : -1) < 0)
		die_errno(EXIT_SYSTEM, "no memory");
	stream_writer_init(&stage->out, STDOUT_FILENO);
}

static int parse_fds(const char *text, int fds[2])
{
	char *end;

	fds[0] = (int)strtoul(text, &end, 10);
	if (*end != ',')
		return -1;
	fds[1] = (int)strtoul(end + 1, &end, 10);
	return *end ? -1 : 0;
}

void stage_open_ring(struct stage *stage, const char *text)
{
	static struct ring ring;
	int fds[2];

	if (parse_fds(text, fds) < 0 || ring_open(&ring, fds) < 0)
		die(EXIT_USAGE,
		    "--ring takes the two descriptors that predump "
		    "has made, not '%.40s'",
		    text);
	stage->ring = &ring;
	if (!(stage->sides & STAGE_WRITES))
		stage->in.frames.ring = &ring;
}

/* A remote shell's greeting, say: shows how the input begins. */
static _Noreturn void not_a_stream(const struct frame_reader *frames)
{
	char text[FRAME_MAGIC_SIZE + 1];
	int n = 0;

	for (; n < FRAME_MAGIC_SIZE; n++)
		text[n] = isprint(frames->magic[n]) ? (char)frames->magic[n]
						    : '.';
	text[n] = 0;
	die(EXIT_INPUT,
	    "%s: it begins with \"%s\" (a remote shell's greeting, "
	    "an error message, a stage that is missing?)",
	    frames->why, text);
}

static _Noreturn void die_of(struct stream_reader *in, enum frame_status status)
{
	const struct frame_reader *frames = &in->frames;

	if (status == FRAME_READER_GONE)
		die(EXIT_READER, "the reader of our output went away");
	if (status == FRAME_ERROR)
		die_errno(EXIT_SYSTEM, "cannot read the stream");
	if (status == FRAME_BAD && !frames->started)
		not_a_stream(frames);
	if (status == FRAME_BAD)
		die(EXIT_INPUT, "bad stream before byte %" PRIu64 ": %s",
		    frames->offset, stream_why(in));
	if (!frames->offset)
		die(EXIT_INPUT, "nothing came in: the stage to the left "
				"failed, or there is none");
	die(EXIT_INPUT,
	    "the stream is cut short at byte %" PRIu64
	    ", before its END: a stage or a carrier to the left failed",
	    frames->offset);
}

bool stage_next(struct stage *stage, struct frame *frame)
{
	enum frame_status status = stream_next(&stage->in, frame);

	if (status == FRAME_OK)
		return true;
	if (status == FRAME_END)
		return false;
	die_of(&stage->in, status);
}

void stage_body(struct stage *stage, void *data, uint32_t size)
{
	enum frame_status status = frame_body(&stage->in.frames, data, size);

	if (status != FRAME_OK)
		die_of(&stage->in, status);
}

const char *stage_body_shared(struct stage *stage, uint32_t size,
			      const struct ring **ring)
{
	struct frame_reader *frames = &stage->in.frames;
	enum frame_status status;
	const char *data;

	*ring = NULL;
	if (!frames->shared)
		return NULL;
	status = frame_body_shared(frames, &data, size);
	if (status != FRAME_OK)
		die_of(&stage->in, status);
	if (frames->body_left)
		return data;
	*ring = frames->ring;
	frame_body_keep(frames);
	return data;
}

static void written(int result)
{
	if (result == 0)
		return;
	if (errno == EPIPE)
		die(EXIT_READER, "the reader of our output went away");
	die_errno(EXIT_SYSTEM, "cannot write the stream");
}

void stage_pass(struct stage *stage, const struct frame *frame)
{
	written(stream_pass(&stage->out, &stage->in, frame));
}

void stage_control(struct stage *stage, enum frame_kind kind, uint32_t subject,
		   const ProtobufCMessage *message)
{
	written(stream_control(&stage->out, kind, subject, message));
}

void stage_runs(struct stage *stage, uint32_t subject, const struct run *runs,
		uint32_t nr)
{
	written(stream_runs(&stage->out, subject, runs, nr));
}

void stage_alive(struct stage *stage)
{
	written(stream_alive(&stage->out));
}

void stage_pages(struct stage *stage, const struct pages *pages)
{
	written(stream_pages(&stage->out, pages));
	if (pages->shared)
		written(ring_pass(stage->ring, STDOUT_FILENO));
}

void stage_image(struct stage *stage, const struct image_piece *piece,
		 const void *data, uint32_t size)
{
	written(stream_image(&stage->out, piece, data, size));
}

void stage_finish(struct stage *stage)
{
	enum frame_status status = stream_finish(&stage->in);

	if (status != FRAME_END)
		die_of(&stage->in, status);
}

void stage_end(struct stage *stage, Pagestream__End *end)
{
	bool reads = stage->sides & STAGE_READS;

	if (reads && !stage->end_first)
		stage_finish(stage);
	end->stage = stage->id;
	written(stream_end(&stage->out, reads ? &stage->in : NULL, end));
	if (close(STDOUT_FILENO) < 0)
		die_errno(EXIT_SYSTEM, "cannot write the stream");
	if (reads && stage->end_first)
		stage_finish(stage);
}

void stage_misplaced(const char *what)
{
	die(EXIT_USAGE,
	    "%s; the order is: freeze | vmalist | thaw | memread | "
	    "imgwrite",
	    what);
}
