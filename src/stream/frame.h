// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The frames of the page stream, one by one; pagestream.5 in prose.
 *
 *   magic    93 70 67 73 0d 0a 1a 01    once; the last byte: major version
 *
 *   head     kind        2  enum frame_kind
 *            flags       2  enum frame_flag
 *            subject     4  index in the order of TASK frames
 *            table_size  4  bytes
 *            body_size   4  bytes
 *            crc         4  CRC-32C of the 16 bytes above and the table
 *   table    table_size bytes
 *   body     body_size bytes (PAGES: the pages flagged PRESENT; IMAGE: a
 *            piece of a file; other kinds have none)
 *
 * All numbers are little-endian.  A reader takes exactly one head and its
 * table; the body is left for the caller, piece by piece, and its digest is
 * checked behind the last piece.  A length is held against the kind's limit
 * before anything is reserved.  "End marker seen" and "pipe closed" are
 * different outcomes: FRAME_END and FRAME_TRUNCATED.
 */
#ifndef STREAM_FRAME_H
#define STREAM_FRAME_H

#include "base/buf.h"
#include "base/ring.h"
#include "stream/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAGIC      "\x93pgs\r\n\x1a\x01"
#define FRAME_MAGIC_SIZE 8
#define FRAME_HEAD_SIZE  20

enum frame_kind {
	KIND_HELLO = 1,
	KIND_TASK = 2,
	KIND_RELEASE = 3,
	KIND_THAWED = 4,
	KIND_VMAS = 5,
	KIND_RUNS = 6,
	KIND_PAGES = 7,
	KIND_END = 8,
	KIND_IMAGE = 11, /* a piece of another image file; image.h */
	KIND_MAPS = 12,  /* what freeze read of /proc/PID/maps */
	/* kept free: */
	KIND_OBJECT = 9,  /* shared memory */
	KIND_THREAD = 10, /* tid, stack pointer, registers */
	/* a reader that does not know these passes them on or drops them: */
	KIND_ALIVE = 0x8000, /* nothing, but the writer is at work */
	KIND_SKIPPABLE_FIRST = 0x8000,
	KIND_SKIPPABLE_LAST = 0x80ff,
};

enum frame_flag {
	FRAME_DIGEST = 1 << 0, /* PAGES, IMAGE: the digest field is in use */
	FRAME_RING = 1 << 1,   /* PAGES: the body is in the ring, not here */
};

/* Bytes. */
#define FRAME_TABLE_MAX (4u << 20)   /* TASK: some 200,000 threads */
#define FRAME_LIST_MAX  (256u << 10) /* MAPS, VMAS, RUNS, PAGES, skippable */
#define FRAME_SMALL_MAX 4096u        /* HELLO, RELEASE, THAWED, IMAGE */
#define FRAME_BODY_MAX  (4u << 20)

struct frame {
	uint16_t kind;
	uint16_t flags;
	uint32_t subject;
	uint32_t table_size;
	uint32_t body_size;
	const uint8_t *table; /* the reader's, until the next frame */
};

enum frame_status {
	FRAME_OK,
	FRAME_END,         /* END and then end of file */
	FRAME_TRUNCATED,   /* end of file before END */
	FRAME_BAD,         /* why says what */
	FRAME_ERROR,       /* errno says what */
	FRAME_READER_GONE, /* nobody reads what we write */
};

struct frame_reader {
	int in;
	int out;            /* watched for its reader while waiting; -1: not */
	uint64_t offset;    /* bytes taken, for messages */
	uint64_t frames;    /* taken, END not counted */
	uint32_t heads_crc; /* CRC-32C over their crc fields, without END's */
	const char *why;
	bool started;
	uint8_t magic[FRAME_MAGIC_SIZE]; /* as it came */
	struct buf table;
	struct ring *ring;  /* NULL: there is none */
	const char *shared; /* the body's rest in it; NULL: it is in the pipe */
	uint32_t body_left;
	bool digested;
	uint64_t digest_wanted;
	struct digest digest;
};

struct frame_writer {
	int out;
	bool started;
	uint64_t frames;
	uint64_t body_bytes;
	uint32_t heads_crc;
};

void frame_reader_init(struct frame_reader *reader, int in, int out);
void frame_reader_release(struct frame_reader *reader);

/* FRAME_OK with a frame; the END frame too.  An unread body is discarded. */
enum frame_status frame_next(struct frame_reader *reader, struct frame *frame);

/* Takes size bytes of the body, at most what is left of it. */
enum frame_status frame_body(struct frame_reader *reader, void *data,
			     uint32_t size);
/* The same where reader->shared: *data is there until the next frame. */
enum frame_status frame_body_shared(struct frame_reader *reader,
				    const char **data, uint32_t size);
/* From now on the caller gives the ring's piece back, when it has been read. */
void frame_body_keep(struct frame_reader *reader);

/* Behind the END frame: FRAME_END at end of file, FRAME_BAD otherwise. */
enum frame_status frame_finish(struct frame_reader *reader);

/* A name for messages; "unknown" for what has none. */
const char *frame_kind_name(uint16_t kind);
bool frame_is_skippable(uint16_t kind);

void frame_writer_init(struct frame_writer *writer, int out);

/*
 * Writes a whole frame: head, table and body, but for one in the ring.  0, or
 * -1 with errno.
 */
int frame_write(struct frame_writer *writer, const struct frame *frame,
		const void *body);

/*
 * The encoding alone, for a writer that must not block: appends to out what
 * frame_write() would have written of a frame without a body.
 */
int frame_append(struct frame_writer *writer, const struct frame *frame,
		 struct buf *out);

#endif
