// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/writer.h"

void stream_writer_init(struct stream_writer *writer, int out)
{
	*writer = (struct stream_writer){0};
	frame_writer_init(&writer->frames, out);
}

void stream_writer_release(struct stream_writer *writer)
{
	buf_release(&writer->table);
}

static int encode(struct stream_writer *writer, enum frame_kind kind,
		  uint32_t subject, const ProtobufCMessage *message,
		  struct frame *frame)
{
	if (control_encode(message, &writer->table) < 0)
		return -1;
	*frame = (struct frame){
		.kind = (uint16_t)kind,
		.subject = subject,
		.table_size = (uint32_t)writer->table.size,
		.table = (const uint8_t *)writer->table.data,
	};
	return 0;
}

int stream_control(struct stream_writer *writer, enum frame_kind kind,
		   uint32_t subject, const ProtobufCMessage *message)
{
	struct frame frame;

	if (encode(writer, kind, subject, message, &frame) < 0)
		return -1;
	return frame_write(&writer->frames, &frame, NULL);
}

int stream_append(struct stream_writer *writer, enum frame_kind kind,
		  uint32_t subject, const ProtobufCMessage *message,
		  struct buf *out)
{
	struct frame frame;

	if (encode(writer, kind, subject, message, &frame) < 0)
		return -1;
	return frame_append(&writer->frames, &frame, out);
}

static void count_runs(struct stream_writer *writer, const struct run *runs,
		       uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		tally_add(&writer->tally, &runs[i]);
}

int stream_runs(struct stream_writer *writer, uint32_t subject,
		const struct run *runs, uint32_t nr)
{
	uint8_t table[RUNS_TABLE_MAX];
	struct frame frame = {
		.kind = KIND_RUNS,
		.subject = subject,
		.table = table,
		.table_size = runs_encode(table, runs, nr),
	};

	count_runs(writer, runs, nr);
	return frame_write(&writer->frames, &frame, NULL);
}

int stream_alive(struct stream_writer *writer)
{
	struct frame frame = {.kind = KIND_ALIVE, .table = (const uint8_t *)""};

	return frame_write(&writer->frames, &frame, NULL);
}

static uint64_t digest_of(const struct pages *pages)
{
	struct digest digest;

	if (!pages->digest)
		return 0;
	digest_begin(&digest);
	digest_add(&digest, pages->body, pages->body_size);
	return digest_end(&digest);
}

int stream_pages(struct stream_writer *writer, const struct pages *pages)
{
	uint8_t table[RUNS_TABLE_MAX];
	struct frame frame = {
		.kind = KIND_PAGES,
		.flags = (pages->digest ? FRAME_DIGEST : 0) |
			 (pages->shared ? FRAME_RING : 0),
		.subject = pages->subject,
		.body_size = pages->body_size,
		.table = table,
		.table_size = pages_encode(table, digest_of(pages), pages->runs,
					   pages->nr_runs),
	};

	count_runs(writer, pages->runs, pages->nr_runs);
	return frame_write(&writer->frames, &frame, pages->body);
}

int stream_image(struct stream_writer *writer, const struct image_piece *piece,
		 const void *data, uint32_t size)
{
	uint8_t table[IMAGE_TABLE_SIZE];
	struct digest digest;
	struct frame frame = {
		.kind = KIND_IMAGE,
		.flags = FRAME_DIGEST,
		.table = table,
		.body_size = size,
	};

	digest_begin(&digest);
	digest_add(&digest, data, size);
	frame.table_size = image_encode(table, digest_end(&digest), piece);
	return frame_write(&writer->frames, &frame, data);
}

int stream_pass(struct stream_writer *writer, struct stream_reader *reader,
		const struct frame *frame)
{
	if (frame->kind == KIND_RUNS)
		count_runs(writer, reader->runs, reader->nr_runs);
	return frame_write(&writer->frames, frame, NULL);
}

static void fill_skips(const struct tally *tally, Pagestream__Skipped *skipped,
		       Pagestream__Totals *totals)
{
	for (int why = 1; why < RUN_SKIPS; why++) {
		if (!tally->skip[why])
			continue;
		pagestream__skipped__init(&skipped[totals->n_skipped]);
		skipped[totals->n_skipped].reason = (uint32_t)why;
		skipped[totals->n_skipped].pages = tally->skip[why];
		totals->skipped[totals->n_skipped] =
			&skipped[totals->n_skipped];
		totals->n_skipped++;
	}
}

struct totals {
	Pagestream__Totals totals;
	Pagestream__Skipped skipped[RUN_SKIPS];
	Pagestream__Skipped *pointers[RUN_SKIPS];
};

static Pagestream__Totals *fill_totals(struct totals *out,
				       const struct tally *tally,
				       uint64_t frames, uint64_t body_bytes)
{
	pagestream__totals__init(&out->totals);
	out->totals.frames = frames;
	out->totals.runs = tally->runs;
	out->totals.present = tally->present;
	out->totals.zero = tally->zero;
	out->totals.parent = tally->parent;
	out->totals.lazy = tally->lazy;
	out->totals.body_bytes = body_bytes;
	out->totals.skipped = out->pointers;
	fill_skips(tally, out->skipped, &out->totals);
	return &out->totals;
}

int stream_end(struct stream_writer *writer, const struct stream_reader *before,
	       Pagestream__End *end)
{
	struct totals own;
	struct totals other;

	end->totals = fill_totals(&own, &writer->tally, writer->frames.frames,
				  writer->frames.body_bytes);
	if (before)
		end->before =
			fill_totals(&other, &before->tally,
				    before->frames.frames, before->body_bytes);
	end->heads_crc = writer->frames.heads_crc;
	return stream_control(writer, KIND_END, 0, &end->base);
}

int stream_append_end(struct stream_writer *writer, Pagestream__End *end,
		      struct buf *out)
{
	struct totals own;

	end->totals = fill_totals(&own, &writer->tally, writer->frames.frames,
				  writer->frames.body_bytes);
	end->heads_crc = writer->frames.heads_crc;
	return stream_append(writer, KIND_END, 0, &end->base, out);
}
