// SPDX-License-Identifier: GPL-3.0-or-later
#include "kit/seal.h"

#include "kit/kit.h"

#include "stream/control.h"
#include "stream/reader.h"
#include "stream/wire.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define CRC_AT      16
#define DIGEST_SIZE 8

struct sealing {
	struct buf *out;
	uint32_t heads_crc;
	struct buf table;
};

static struct frame decode_head(const uint8_t *at)
{
	struct frame frame = {0};

	frame.kind = get_u16(&at);
	frame.flags = get_u16(&at);
	frame.subject = get_u32(&at);
	frame.table_size = get_u32(&at);
	frame.body_size = get_u32(&at);
	frame.table = at + sizeof(uint32_t);
	return frame;
}

/* The table as it is, or END's with the right heads_crc. */
static int make_table(struct sealing *sealing, const struct frame *frame)
{
	Pagestream__End *end;
	int result;

	sealing->table.size = 0;
	end = frame->kind == KIND_END
		      ? pagestream__end__unpack(NULL, frame->table_size,
						frame->table)
		      : NULL;
	if (!end)
		return buf_append(&sealing->table, frame->table,
				  frame->table_size);
	end->heads_crc = sealing->heads_crc;
	result = control_encode(&end->base, &sealing->table);
	control_free(&end->base);
	return result;
}

static void set_digest(struct sealing *sealing, const uint8_t *body,
		       size_t size)
{
	uint8_t *at = (uint8_t *)sealing->table.data;
	struct digest digest;

	digest_begin(&digest);
	digest_add(&digest, body, size);
	put_u64(&at, digest_end(&digest));
}

static int put_frame(struct sealing *sealing, const struct frame *frame,
		     const uint8_t *body, size_t size)
{
	uint8_t head[FRAME_HEAD_SIZE];
	uint8_t *at = head;
	uint32_t crc;

	put_u16(&at, frame->kind);
	put_u16(&at, frame->flags);
	put_u32(&at, frame->subject);
	put_u32(&at, (uint32_t)sealing->table.size);
	put_u32(&at, frame->body_size);
	crc = crc32c(crc32c(0, head, CRC_AT), sealing->table.data,
		     sealing->table.size);
	put_u32(&at, crc);
	if (frame->kind != KIND_END)
		sealing->heads_crc = crc32c(sealing->heads_crc, head + CRC_AT,
					    FRAME_HEAD_SIZE - CRC_AT);
	if (buf_append(sealing->out, head, sizeof(head)) < 0 ||
	    buf_append(sealing->out, sealing->table.data, sealing->table.size) <
		    0)
		return -1;
	return buf_append(sealing->out, body, size);
}

/* How many bytes it was; 0: there is none any more; -1. */
static ssize_t seal_frame(struct sealing *sealing, const uint8_t *data,
			  size_t size)
{
	struct frame frame;
	const uint8_t *body;
	size_t body_size;

	if (size < FRAME_HEAD_SIZE)
		return 0;
	frame = decode_head(data);
	size -= FRAME_HEAD_SIZE;
	if (frame.table_size > size)
		return 0;
	body = frame.table + frame.table_size;
	size -= frame.table_size;
	body_size = frame.body_size < size ? frame.body_size : size;
	if (make_table(sealing, &frame) < 0)
		return -1;
	if (frame.flags & FRAME_DIGEST && sealing->table.size >= DIGEST_SIZE)
		set_digest(sealing, body, body_size);
	if (put_frame(sealing, &frame, body, body_size) < 0)
		return -1;
	return body + body_size - data;
}

int seal(struct buf *out, const uint8_t *data, size_t size)
{
	struct sealing sealing = {.out = out};
	ssize_t n = 1;

	if (buf_append(out, FRAME_MAGIC, FRAME_MAGIC_SIZE) < 0 ||
	    buf_reserve(&sealing.table, 1) < 0)
		return -1;
	while (n > 0) {
		n = seal_frame(&sealing, data, size);
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	buf_release(&sealing.table);
	return n < 0 ? -1 : buf_append(out, data, size);
}

int seal_reader(const uint8_t *data, size_t size, bool sealed)
{
	struct buf stream = {0};
	int fd;

	if (!sealed)
		return kit_reader(data, size);
	kit_must(seal(&stream, data, size) == 0, "there is memory");
	fd = kit_reader((const uint8_t *)stream.data, stream.size);
	buf_release(&stream);
	return fd;
}

bool seal_is_whole(int fd)
{
	struct stream_reader reader;
	enum frame_status status;
	struct frame frame;

	lseek(fd, 0, SEEK_SET);
	kit_must(stream_reader_init(&reader, fd, -1) == 0, "there is memory");
	while ((status = stream_next(&reader, &frame)) == FRAME_OK)
		;
	if (status == FRAME_END)
		status = stream_finish(&reader);
	stream_reader_release(&reader);
	return status == FRAME_END;
}
