// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Writes a stream and keeps the totals that its END states.  All return 0,
 * or -1 with errno (EPIPE: the reader went away).
 */
#ifndef STREAM_WRITER_H
#define STREAM_WRITER_H

#include "stream/reader.h"

struct stream_writer {
	struct frame_writer frames;
	struct tally tally;
	struct buf table;
};

void stream_writer_init(struct stream_writer *writer, int out);
void stream_writer_release(struct stream_writer *writer);

int stream_control(struct stream_writer *writer, enum frame_kind kind,
		   uint32_t subject, const ProtobufCMessage *message);
/* The same, into memory: for a writer that must not block. */
int stream_append(struct stream_writer *writer, enum frame_kind kind,
		  uint32_t subject, const ProtobufCMessage *message,
		  struct buf *out);

int stream_runs(struct stream_writer *writer, uint32_t subject,
		const struct run *runs, uint32_t nr);

/* An empty frame, so that those to the right see that we are at work. */
int stream_alive(struct stream_writer *writer);

struct pages {
	uint32_t subject;
	const struct run *runs;
	uint32_t nr_runs;
	const void *body; /* of the runs flagged PRESENT */
	uint32_t body_size;
	bool digest;
	bool shared; /* the body is in the ring */
};
int stream_pages(struct stream_writer *writer, const struct pages *pages);

/* A piece of another image file; always with its digest. */
int stream_image(struct stream_writer *writer, const struct image_piece *piece,
		 const void *data, uint32_t size);

/* The frame that reader gave last, unchanged; not one with a body. */
int stream_pass(struct stream_writer *writer, struct stream_reader *reader,
		const struct frame *frame);

/*
 * Fills in the totals of end, those of the stream read before (NULL: none was)
 * and the checksum, and writes it; stream_append_end() into memory.
 */
int stream_end(struct stream_writer *writer, const struct stream_reader *before,
	       Pagestream__End *end);
int stream_append_end(struct stream_writer *writer, Pagestream__End *end,
		      struct buf *out);

#endif
