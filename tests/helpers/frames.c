// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * frames pack < TEXT > STREAM   text, as framedump shows it, to a stream
 * frames copy                   through the reader and writer of src/stream
 * frames cut N                  the first N bytes
 * frames flip BIT               with one bit flipped
 * frames size                   how many bytes
 * frames heads                  offset, kind, head and table, body; in bytes
 * frames allflips               is each single flipped bit noticed?
 * frames cuts COMMAND...        does COMMAND exit with 2 for each cut, and
 * frames flips COMMAND...       for a flip in each byte outside of bodies?
 *
 * A stream is on standard input.  The text is one line a frame and an
 * indented line a thread, vma, run or totals; END's numbers are filled in
 * where they are not given, and a page's bytes are the addresses of its
 * words.  What framedump never shows, to make streams that no tool writes:
 *
 *   kind= flags= subject= table_size= body_size= crc=   fields of the head
 *   table=N body=N    so many bytes     hex=HEX      the bytes of a table, in
 *                                                    PAGES behind the digest
 *   data=HEX          the bytes of an IMAGE's body
 *   digest=auto       the right digest  FRAME kind=N     any kind
 *   magic HEX         in its place      raw HEX      uncounted bytes
 *   again             the frame before once more, uncounted
 *   lost FRAME        is counted and not written; `late` writes it
 */
#include "base/io.h"
#include "base/own.h"
#include "frames_pack.h"
#include "stream/writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANGS_AFTER 10 /* seconds */
#define own_buf     __attribute__((cleanup(buf_release)))

static struct buf read_all(void)
{
	struct buf all = {0};
	char piece[65536];
	ssize_t n;

	while ((n = io_read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		append(&all, piece, (size_t)n);
	if (n < 0)
		die_errno(EXIT_SYSTEM, "cannot read");
	return all;
}

static int write_all(const void *data, size_t size)
{
	if (io_write(STDOUT_FILENO, data, size) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
	return EXIT_DONE;
}

static int pack(char **unused)
{
	static struct packer packer;
	own_free char *line = NULL;
	size_t room = 0;
	ssize_t size;

	(void)unused;
	while ((size = getline(&line, &room, stdin)) >= 0) {
		if (size && line[size - 1] == '\n')
			line[size - 1] = 0;
		pack_line(&packer, line);
	}
	close_frame(&packer);
	return write_all(packer.out.data, packer.out.size);
}

/* At once, as they come: for a stream that is still being made. */
static int cut(char **args)
{
	size_t left = number(args[0], 0);
	char piece[4096];

	while (left) {
		ssize_t n = read(STDIN_FILENO, piece,
				 left < sizeof(piece) ? left : sizeof(piece));

		if (n <= 0)
			return n < 0;
		if (write_all(piece, (size_t)n))
			return 1;
		left -= (size_t)n;
	}
	return 0;
}

static void flip_bit(struct buf *data, size_t bit)
{
	data->data[bit / 8] = (char)(data->data[bit / 8] ^ 1 << bit % 8);
}

static int flip(char **args)
{
	own_buf struct buf all = read_all();
	size_t bit = number(args[0], 0);

	if (bit / 8 >= all.size)
		die(EXIT_USAGE, "it has %zu bits", all.size * 8);
	flip_bit(&all, bit);
	return write_all(all.data, all.size);
}

static int size_of(char **unused)
{
	own_buf struct buf all = read_all();

	(void)unused;
	printf("%zu\n", all.size);
	return EXIT_DONE;
}

/* --- where things are --- */

struct place {
	size_t offset;
	const char *kind;
	uint64_t table; /* bytes: head and table */
	uint64_t body;
	bool digest;
};

/* The frame that begins at offset, as its head says; false if none does. */
static bool place_at(const struct buf *all, size_t offset, struct place *place)
{
	const uint8_t *at = (const uint8_t *)all->data + offset;
	uint16_t flags;

	if (offset > all->size || all->size - offset < FRAME_HEAD_SIZE)
		return false;
	place->offset = offset;
	place->kind = frame_kind_name(get_u16(&at));
	flags = get_u16(&at);
	place->digest = flags & FRAME_DIGEST;
	at += 4; /* subject */
	place->table = FRAME_HEAD_SIZE + (uint64_t)get_u32(&at);
	place->body = get_u32(&at);
	return true;
}

static bool next_place(const struct buf *all, struct place *place)
{
	size_t offset = place->kind ? place->offset + place->table + place->body
				    : FRAME_MAGIC_SIZE;

	return place_at(all, offset, place);
}

static int heads(char **unused)
{
	own_buf struct buf all = read_all();
	struct place place = {0};

	(void)unused;
	while (next_place(&all, &place))
		printf("%zu %s %" PRIu64 " %" PRIu64 "\n", place.offset,
		       place.kind, place.table, place.body);
	return EXIT_DONE;
}

/* --- through the stream room --- */

static enum frame_status take_body(struct stream_reader *reader,
				   struct buf *body)
{
	body->size = 0;
	if (buf_reserve(body, reader->frames.body_left + 1) < 0)
		return FRAME_ERROR;
	body->size = reader->frames.body_left;
	return body->size ? frame_body(&reader->frames, body->data,
				       (uint32_t)body->size)
			  : FRAME_OK;
}

static int copy_message(struct stream_writer *writer, const struct frame *frame)
{
	ProtobufCMessage *message = control_decode(frame);
	int result;

	if (!message)
		die(EXIT_INPUT, "%s that makes no sense",
		    frame_kind_name(frame->kind));
	result = stream_control(writer, frame->kind, frame->subject, message);
	control_free(message);
	return result;
}

static int copy_frame(struct stream_writer *writer,
		      struct stream_reader *reader, const struct frame *frame)
{
	struct buf body = {0};
	struct pages pages = {
		.subject = frame->subject,
		.runs = reader->runs,
		.nr_runs = reader->nr_runs,
		.digest = frame->flags & FRAME_DIGEST,
	};
	int result;

	if (take_body(reader, &body) != FRAME_OK)
		die(EXIT_INPUT, "%s", stream_why(reader));
	pages.body = body.data;
	pages.body_size = (uint32_t)body.size;
	if (frame->kind == KIND_IMAGE)
		result = stream_image(writer, &reader->image, body.data,
				      (uint32_t)body.size);
	else if (frame_is_skippable(frame->kind))
		result = stream_pass(writer, reader, frame);
	else if (frame->kind == KIND_RUNS)
		result = stream_runs(writer, frame->subject, reader->runs,
				     reader->nr_runs);
	else if (frame->kind == KIND_PAGES)
		result = stream_pages(writer, &pages);
	else
		result = copy_message(writer, frame);
	buf_release(&body);
	return result;
}

static int copy(char **unused)
{
	struct stream_reader reader;
	struct stream_writer writer;
	struct frame frame;
	enum frame_status status;
	Pagestream__End end;

	(void)unused;
	if (stream_reader_init(&reader, STDIN_FILENO, -1) < 0)
		die(EXIT_SYSTEM, "no memory");
	stream_writer_init(&writer, STDOUT_FILENO);
	while ((status = stream_next(&reader, &frame)) == FRAME_OK)
		if (copy_frame(&writer, &reader, &frame) < 0)
			die_errno(EXIT_SYSTEM, "cannot write");
	if (status != FRAME_END || stream_finish(&reader) != FRAME_END)
		die(EXIT_INPUT, "the stream is not whole");
	end = *reader.end;
	if (stream_end(&writer, &reader, &end) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
	stream_writer_release(&writer);
	stream_reader_release(&reader);
	return EXIT_DONE;
}

/* How a reading tool would end with what is in the file. */
static enum frame_status judge(int fd)
{
	struct stream_reader reader;
	struct frame frame;
	enum frame_status status = FRAME_ERROR;
	struct buf body = {0};

	if (lseek(fd, 0, SEEK_SET) < 0 || stream_reader_init(&reader, fd, -1))
		return status;
	while ((status = stream_next(&reader, &frame)) == FRAME_OK) {
		status = take_body(&reader, &body);
		if (status != FRAME_OK)
			break;
	}
	if (status == FRAME_END)
		status = stream_finish(&reader);
	stream_reader_release(&reader);
	buf_release(&body);
	return status;
}

static enum frame_status judge_flip(int fd, struct buf *all, size_t bit)
{
	enum frame_status status;
	off_t at = (off_t)(bit / 8);

	flip_bit(all, bit);
	if (pwrite(fd, all->data + at, 1, at) != 1)
		return FRAME_ERROR;
	status = judge(fd);
	flip_bit(all, bit);
	return pwrite(fd, all->data + at, 1, at) == 1 ? status : FRAME_ERROR;
}

/* Bits [from, to), all of one kind: those of them that go unnoticed. */
static size_t flip_part(int fd, struct buf *all, size_t from, size_t to,
			const char *name)
{
	size_t accepted = 0, first = from;

	for (size_t bit = from; bit < to; bit++) {
		enum frame_status status = judge_flip(fd, all, bit);

		if (status == FRAME_END && !accepted++)
			first = bit;
		if (status == FRAME_ERROR)
			die_errno(EXIT_SYSTEM, "bit %zu", bit);
	}
	if (accepted)
		printf("%s: %zu of %zu bits go unnoticed, bit %zu first\n",
		       name, accepted, to - from, first);
	return accepted;
}

static size_t flip_frame(int fd, struct buf *all, const struct place *place)
{
	size_t table = place->offset + FRAME_HEAD_SIZE;
	size_t body = place->offset + place->table;
	char name[64];
	size_t accepted;

	snprintf(name, sizeof(name), "head of %s", place->kind);
	accepted = flip_part(fd, all, place->offset * 8, table * 8, name);
	snprintf(name, sizeof(name), "table of %s", place->kind);
	accepted += flip_part(fd, all, table * 8, body * 8, name);
	snprintf(name, sizeof(name), "body of %s, %s digest", place->kind,
		 place->digest ? "with" : "without");
	return accepted +
	       flip_part(fd, all, body * 8, (body + place->body) * 8, name);
}

static int allflips(char **unused)
{
	own_buf struct buf all = read_all();
	struct place place = {0};
	int fd = memfd_create("stream", MFD_CLOEXEC);
	size_t accepted;

	(void)unused;
	if (fd < 0 || io_write(fd, all.data, all.size) < 0)
		die_errno(EXIT_SYSTEM, "cannot make a file");
	if (judge(fd) != FRAME_END)
		die(EXIT_USAGE, "it is not whole even without a flip");
	accepted = flip_part(fd, &all, 0, FRAME_MAGIC_SIZE * 8, "magic");
	while (next_place(&all, &place))
		accepted += flip_frame(fd, &all, &place);
	printf("%zu flips, %zu unnoticed\n", all.size * 8, accepted);
	return accepted ? EXIT_TARGET : EXIT_DONE;
}

/* --- through a program --- */

static void become(char **command, int in)
{
	alarm(HANGS_AFTER); /* stays across exec */
	if (dup2(in, STDIN_FILENO) == STDIN_FILENO)
		execvp(command[0], command);
	die_errno(EXIT_SYSTEM, "cannot run %s", command[0]);
}

/* What the command exits with for these bytes in a pipe; or a signal. */
static int run_with(char **command, const void *data, size_t size)
{
	int fds[2];
	int status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || size > 65536) /* fits into it */
		die_errno(EXIT_SYSTEM, "no pipe");
	if (io_write(fds[1], data, size) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
	close(fds[1]);
	pid = fork();
	if (pid == 0)
		become(command, fds[0]);
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die_errno(EXIT_SYSTEM, "cannot run %s", command[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

static size_t expect_input_fault(const char *what, size_t at, int code)
{
	if (code == EXIT_INPUT)
		return 0;
	printf("%s %zu: exit code %d%s\n", what, at, code,
	       code == 1000 + SIGALRM ? ", it hangs" : "");
	fflush(stdout);
	return 1;
}

static int cuts(char **command)
{
	own_buf struct buf all = read_all();
	size_t wrong = 0;

	for (size_t size = 0; size < all.size; size++)
		wrong += expect_input_fault("cut at", size,
					    run_with(command, all.data, size));
	printf("%zu cuts, %zu wrong\n", all.size, wrong);
	return wrong ? EXIT_TARGET : EXIT_DONE;
}

static bool in_body(const struct buf *all, size_t byte)
{
	struct place place = {0};

	while (next_place(all, &place))
		if (byte >= place.offset + place.table &&
		    byte < place.offset + place.table + place.body)
			return true;
	return false;
}

static int flips(char **command)
{
	own_buf struct buf all = read_all();
	size_t wrong = 0, tried = 0;

	for (size_t byte = 0; byte < all.size; byte++) {
		size_t bit = byte * 8 + byte % 8;

		if (in_body(&all, byte))
			continue;
		flip_bit(&all, bit);
		wrong += expect_input_fault(
			"bit", bit, run_with(command, all.data, all.size));
		flip_bit(&all, bit);
		tried++;
	}
	printf("%zu flips, %zu wrong\n", tried, wrong);
	return wrong ? EXIT_TARGET : EXIT_DONE;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*act)(char **args);
		int nr_args; /* at least */
	} commands[] = {
		{"pack", pack, 0},         {"copy", copy, 0},
		{"cut", cut, 1},           {"flip", flip, 1},
		{"size", size_of, 0},      {"heads", heads, 0},
		{"allflips", allflips, 0}, {"cuts", cuts, 1},
		{"flips", flips, 1},
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].nr_args)
			return commands[i].act(argv + 2);
	die(EXIT_USAGE, "frames "
			"pack|copy|cut|flip|size|heads|allflips|cuts|flips");
}
