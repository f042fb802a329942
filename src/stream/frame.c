// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/frame.h"

#include "base/io.h"
#include "stream/wire.h"

#include <errno.h>

#define CRC_AT 16 /* where the head's own checksum begins */

bool frame_is_skippable(uint16_t kind)
{
	return kind >= KIND_SKIPPABLE_FIRST && kind <= KIND_SKIPPABLE_LAST;
}

const char *frame_kind_name(uint16_t kind)
{
	static const char *const names[] = {
		[KIND_HELLO] = "HELLO",     [KIND_TASK] = "TASK",
		[KIND_RELEASE] = "RELEASE", [KIND_THAWED] = "THAWED",
		[KIND_VMAS] = "VMAS",       [KIND_RUNS] = "RUNS",
		[KIND_PAGES] = "PAGES",     [KIND_END] = "END",
		[KIND_MAPS] = "MAPS",       [KIND_IMAGE] = "IMAGE",
	};

	if (frame_is_skippable(kind))
		return "SKIPPABLE";
	if (kind >= sizeof(names) / sizeof(*names) || !names[kind])
		return "unknown";
	return names[kind];
}

/* The largest table of a kind; 0 for a kind that this reader refuses. */
static uint32_t table_limit(uint16_t kind)
{
	switch (kind) {
	case KIND_TASK:
	case KIND_END:
		return FRAME_TABLE_MAX;
	case KIND_HELLO:
	case KIND_RELEASE:
	case KIND_THAWED:
	case KIND_IMAGE:
		return FRAME_SMALL_MAX;
	case KIND_MAPS:
	case KIND_VMAS:
	case KIND_RUNS:
	case KIND_PAGES:
		return FRAME_LIST_MAX;
	default:
		return frame_is_skippable(kind) ? FRAME_LIST_MAX : 0;
	}
}

static void encode_head(uint8_t *head, const struct frame *frame)
{
	uint32_t crc;
	uint8_t *at = head;

	put_u16(&at, frame->kind);
	put_u16(&at, frame->flags);
	put_u32(&at, frame->subject);
	put_u32(&at, frame->table_size);
	put_u32(&at, frame->body_size);
	crc = crc32c(0, head, CRC_AT);
	put_u32(&at, crc32c(crc, frame->table, frame->table_size));
}

static uint32_t decode_head(const uint8_t *head, struct frame *frame)
{
	const uint8_t *at = head;

	frame->kind = get_u16(&at);
	frame->flags = get_u16(&at);
	frame->subject = get_u32(&at);
	frame->table_size = get_u32(&at);
	frame->body_size = get_u32(&at);
	return get_u32(&at);
}

/*
 * Only the heads' own checksums, which cover the rest: a CRC over something
 * with its CRC behind it is the same for every something.
 */
static uint32_t add_head(uint32_t heads_crc, const uint8_t *head)
{
	return crc32c(heads_crc, head + CRC_AT, FRAME_HEAD_SIZE - CRC_AT);
}

void frame_reader_init(struct frame_reader *reader, int in, int out)
{
	*reader = (struct frame_reader){.in = in, .out = out};
}

void frame_reader_release(struct frame_reader *reader)
{
	buf_release(&reader->table);
}

static enum frame_status bad(struct frame_reader *reader, const char *why)
{
	reader->why = why;
	return FRAME_BAD;
}

static enum frame_status take(struct frame_reader *reader, void *data,
			      size_t size)
{
	ssize_t n = io_read(reader->in, data, size);

	if (n < 0)
		return FRAME_ERROR;
	reader->offset += (uint64_t)n;
	return (size_t)n == size ? FRAME_OK : FRAME_TRUNCATED;
}

static enum frame_status take_magic(struct frame_reader *reader)
{
	uint8_t *magic = reader->magic;
	enum frame_status status = take(reader, magic, FRAME_MAGIC_SIZE);

	if (status != FRAME_OK)
		return status;
	if (memcmp(magic, FRAME_MAGIC, 4))
		return bad(reader, "this is not a page stream");
	if (memcmp(magic, FRAME_MAGIC, FRAME_MAGIC_SIZE - 1))
		return bad(reader, "something on the way changes line ends");
	if (magic[7] != (uint8_t)FRAME_MAGIC[7])
		return bad(reader, "page stream of another major version");
	reader->started = true;
	return FRAME_OK;
}

static bool has_body(uint16_t kind)
{
	return kind == KIND_PAGES || kind == KIND_IMAGE;
}

static uint32_t known_flags(const struct frame_reader *reader, uint16_t kind)
{
	uint32_t shared = reader->ring && kind == KIND_PAGES ? FRAME_RING : 0;

	return has_body(kind) ? FRAME_DIGEST | shared : 0;
}

/* What can be said of a head before its table is there. */
static enum frame_status check_head(struct frame_reader *reader,
				    const struct frame *frame)
{
	uint32_t limit = table_limit(frame->kind);

	if (!limit)
		return bad(reader, "unknown kind of frame");
	if (frame->table_size > limit)
		return bad(reader, "table longer than its kind allows");
	if (!has_body(frame->kind) && frame->body_size)
		return bad(reader, "body where its kind has none");
	if (frame->body_size > FRAME_BODY_MAX)
		return bad(reader, "body longer than its kind allows");
	if (frame->flags & FRAME_RING && frame->body_size > RING_PIECE)
		return bad(reader, "body longer than its kind allows");
	if (frame->flags & ~known_flags(reader, frame->kind))
		return bad(reader, "unknown flag in a head");
	return FRAME_OK;
}

static enum frame_status take_table(struct frame_reader *reader,
				    struct frame *frame)
{
	enum frame_status status;

	reader->table.size = 0;
	if (buf_reserve(&reader->table, frame->table_size + 1) < 0)
		return FRAME_ERROR;
	status = take(reader, reader->table.data, frame->table_size);
	frame->table = (const uint8_t *)reader->table.data;
	return status;
}

static void begin_body(struct frame_reader *reader, const struct frame *frame)
{
	const uint8_t *at = frame->table;

	reader->body_left = frame->body_size;
	reader->shared =
		frame->flags & FRAME_RING ? ring_take(reader->ring) : NULL;
	reader->digested = frame->flags & FRAME_DIGEST && frame->table_size > 8;
	if (!reader->digested)
		return;
	reader->digest_wanted = get_u64(&at);
	digest_begin(&reader->digest);
}

static enum frame_status discard_body(struct frame_reader *reader)
{
	char scrap[4096];

	while (reader->body_left) {
		uint32_t size = reader->body_left < sizeof(scrap)
					? reader->body_left
					: sizeof(scrap);
		enum frame_status status = frame_body(reader, scrap, size);

		if (status != FRAME_OK)
			return status;
	}
	return FRAME_OK;
}

/* What was in the ring is no longer needed. */
static enum frame_status give_back(struct frame_reader *reader)
{
	if (!reader->shared)
		return FRAME_OK;
	reader->shared = NULL;
	return ring_give(reader->ring) < 0 ? FRAME_ERROR : FRAME_OK;
}

static enum frame_status wait_for_more(struct frame_reader *reader)
{
	if (io_wait(reader->in, reader->out) == 0)
		return FRAME_OK;
	return errno == EPIPE ? FRAME_READER_GONE : FRAME_ERROR;
}

static enum frame_status take_frame(struct frame_reader *reader,
				    struct frame *frame)
{
	uint8_t head[FRAME_HEAD_SIZE];
	enum frame_status status = take(reader, head, sizeof(head));
	uint32_t crc;

	if (status != FRAME_OK)
		return status;
	crc = decode_head(head, frame);
	status = check_head(reader, frame);
	if (status == FRAME_OK)
		status = take_table(reader, frame);
	if (status != FRAME_OK)
		return status;
	if (crc !=
	    crc32c(crc32c(0, head, CRC_AT), frame->table, frame->table_size))
		return bad(reader, "wrong checksum of a head and its table");
	if (frame->kind != KIND_END) {
		reader->heads_crc = add_head(reader->heads_crc, head);
		reader->frames++;
	}
	begin_body(reader, frame);
	return FRAME_OK;
}

enum frame_status frame_next(struct frame_reader *reader, struct frame *frame)
{
	enum frame_status status = discard_body(reader);

	if (status == FRAME_OK)
		status = give_back(reader);
	if (status == FRAME_OK)
		status = wait_for_more(reader);
	if (status == FRAME_OK && !reader->started)
		status = take_magic(reader);
	if (status == FRAME_OK)
		status = take_frame(reader, frame);
	return status;
}

static enum frame_status check_digest(struct frame_reader *reader,
				      const void *data, uint32_t size)
{
	reader->body_left -= size;
	if (!reader->digested)
		return FRAME_OK;
	digest_add(&reader->digest, data, size);
	if (!reader->body_left &&
	    digest_end(&reader->digest) != reader->digest_wanted)
		return bad(reader, "wrong digest of a body");
	return FRAME_OK;
}

void frame_body_keep(struct frame_reader *reader)
{
	reader->shared = NULL;
}

enum frame_status frame_body_shared(struct frame_reader *reader,
				    const char **data, uint32_t size)
{
	*data = reader->shared;
	reader->shared += size;
	return check_digest(reader, *data, size);
}

enum frame_status frame_body(struct frame_reader *reader, void *data,
			     uint32_t size)
{
	enum frame_status status = FRAME_OK;
	const char *shared;

	if (reader->shared) {
		status = frame_body_shared(reader, &shared, size);
		memcpy(data, shared, size);
		return status;
	}
	status = take(reader, data, size);
	return status == FRAME_OK ? check_digest(reader, data, size) : status;
}

enum frame_status frame_finish(struct frame_reader *reader)
{
	uint8_t byte;
	enum frame_status status = take(reader, &byte, 1);

	if (status == FRAME_TRUNCATED)
		return FRAME_END;
	if (status == FRAME_OK)
		return bad(reader, "bytes behind END");
	return status;
}

void frame_writer_init(struct frame_writer *writer, int out)
{
	*writer = (struct frame_writer){.out = out};
}

/* Makes the head and gives back how much magic stands before it. */
static size_t begin_frame(struct frame_writer *writer, uint8_t *head,
			  const struct frame *frame)
{
	size_t magic = writer->started ? 0 : FRAME_MAGIC_SIZE;

	encode_head(head, frame);
	writer->started = true;
	if (frame->kind == KIND_END)
		return magic;
	writer->frames++;
	writer->body_bytes += frame->body_size;
	writer->heads_crc = add_head(writer->heads_crc, head);
	return magic;
}

int frame_write(struct frame_writer *writer, const struct frame *frame,
		const void *body)
{
	uint8_t head[FRAME_HEAD_SIZE];
	struct iovec iov[] = {
		{(void *)FRAME_MAGIC, begin_frame(writer, head, frame)},
		{head, sizeof(head)},
		{(void *)frame->table, frame->table_size},
		{(void *)body,
		 frame->flags & FRAME_RING ? 0 : frame->body_size},
	};

	return io_writev(writer->out, iov, 4);
}

int frame_append(struct frame_writer *writer, const struct frame *frame,
		 struct buf *out)
{
	uint8_t head[FRAME_HEAD_SIZE];
	size_t magic = begin_frame(writer, head, frame);

	if (buf_append(out, FRAME_MAGIC, magic) < 0 ||
	    buf_append(out, head, sizeof(head)) < 0)
		return -1;
	return buf_append(out, frame->table, frame->table_size);
}
