// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/reader.h"

#include <errno.h>
#include <stdlib.h>

#define FEATURES_KNOWN 0

int stream_reader_init(struct stream_reader *reader, int in, int out)
{
	*reader = (struct stream_reader){0};
	frame_reader_init(&reader->frames, in, out);
	reader->runs = malloc(RUNS_MAX * sizeof(*reader->runs));
	return reader->runs ? 0 : -1;
}

void stream_reader_release(struct stream_reader *reader)
{
	frame_reader_release(&reader->frames);
	free(reader->runs);
	control_free(reader->message);
	if (reader->hello)
		control_free(&reader->hello->base);
	if (reader->end)
		control_free(&reader->end->base);
}

const char *stream_why(const struct stream_reader *reader)
{
	return reader->frames.why;
}

static enum frame_status bad(struct stream_reader *reader, const char *why)
{
	reader->frames.why = why;
	return FRAME_BAD;
}

/* HELLO and END outlive their frames. */
static enum frame_status take_hello(struct stream_reader *reader)
{
	reader->hello = (Pagestream__Hello *)reader->message;
	reader->message = NULL;
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference): HELLO has a message
	if (reader->hello->features_required & ~(uint64_t)FEATURES_KNOWN)
		return bad(reader, "it needs features of a newer version");
	return FRAME_OK;
}

/* Subjects of MAPS, VMAS, RUNS and PAGES come one after another, each kind
 * anew. */
static enum frame_status take_subject(struct stream_reader *reader,
				      const struct frame *frame,
				      enum stream_place place)
{
	if (frame->subject >= reader->nr_tasks)
		return bad(reader, "frame of a task that was never named");
	if (reader->place != place || frame->subject > reader->subject)
		reader->low = 0;
	else if (frame->subject < reader->subject)
		return bad(reader, "tasks out of order");
	reader->subject = frame->subject;
	return FRAME_OK;
}

static enum frame_status take_task(struct stream_reader *reader,
				   const struct frame *frame)
{
	if (frame->subject != reader->nr_tasks++)
		return bad(reader, "tasks out of order");
	if (reader->nr_tasks > STREAM_TASKS_MAX)
		return bad(reader, "more tasks than a stream may have");
	return FRAME_OK;
}

static enum frame_status take_runs(struct stream_reader *reader,
				   const struct frame *frame)
{
	uint32_t page_size = reader->hello->page_size;
	int nr = runs_decode(frame, page_size, reader->runs);

	if (nr < 0)
		return bad(reader, "table of runs that makes no sense");
	for (int i = 0; i < nr; i++) {
		if (reader->runs[i].vaddr < reader->low)
			return bad(reader, "runs that do not ascend");
		reader->low = run_end(&reader->runs[i], page_size);
		tally_add(&reader->tally, &reader->runs[i]);
	}
	reader->nr_runs = (uint32_t)nr;
	reader->body_bytes += frame->body_size;
	return FRAME_OK;
}

static bool image_is_whole(const struct stream_reader *reader)
{
	return reader->image_end == reader->image.size;
}

/* Files ascend, so that none comes twice, and so do the pieces of each. */
static enum frame_status take_image(struct stream_reader *reader,
				    const struct frame *frame)
{
	struct image_piece last = reader->image;
	bool whole = image_is_whole(reader);
	int order;

	if (image_decode(frame, &reader->image) < 0)
		return bad(reader, "IMAGE that makes no sense");
	order = reader->nr_images ? image_compare(&last, &reader->image) : -1;
	if (reader->nr_images && order != 0 && !whole)
		return bad(reader, "an image file that is not whole");
	if (order > 0 || (order == 0 && whole))
		return bad(reader, "image files that do not ascend");
	if (order == 0 && (reader->image.size != last.size ||
			   reader->image.offset < reader->image_end))
		return bad(reader, "pieces of an image file out of order");
	if (order && ++reader->nr_images > STREAM_IMAGES_MAX)
		return bad(reader, "more image files than a stream may have");
	reader->image_end = reader->image.offset + frame->body_size;
	reader->body_bytes += frame->body_size;
	return FRAME_OK;
}

static bool skips_match(const Pagestream__Totals *totals,
			const struct tally *tally)
{
	uint64_t skip[RUN_SKIPS] = {0};

	for (size_t i = 0; i < totals->n_skipped; i++) {
		if (totals->skipped[i]->reason >= RUN_SKIPS)
			return false;
		skip[totals->skipped[i]->reason] += totals->skipped[i]->pages;
	}
	for (int why = 0; why < RUN_SKIPS; why++)
		if (skip[why] != tally->skip[why])
			return false;
	return true;
}

static bool totals_match(const struct stream_reader *reader)
{
	const Pagestream__Totals *totals = reader->end->totals;
	const struct tally *tally = &reader->tally;

	return totals->frames == reader->frames.frames &&
	       totals->runs == tally->runs &&
	       totals->present == tally->present &&
	       totals->zero == tally->zero && totals->parent == tally->parent &&
	       totals->lazy == tally->lazy && skips_match(totals, tally) &&
	       totals->body_bytes == reader->body_bytes;
}

/* Ascending, so that none is named twice. */
static bool subjects_are_known(const struct stream_reader *reader,
			       const uint32_t *subjects, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (subjects[i] >= reader->nr_tasks ||
		    (i && subjects[i] <= subjects[i - 1]))
			return false;
	return true;
}

static uint64_t pages_of(const Pagestream__Totals *totals)
{
	uint64_t sum =
		totals->present + totals->zero + totals->parent + totals->lazy;

	for (size_t i = 0; i < totals->n_skipped; i++)
		sum += totals->skipped[i]->pages;
	return sum;
}

/* What memread was asked for came out, as one thing or another. */
static bool nothing_is_lost(const Pagestream__End *end)
{
	return end->stage != PAGESTREAM__STAGE__MEMREAD || !end->before ||
	       pages_of(end->before) == pages_of(end->totals);
}

static enum frame_status take_end(struct stream_reader *reader)
{
	Pagestream__End *end = (Pagestream__End *)reader->message;

	reader->end = end;
	reader->message = NULL;
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference): END has a message
	if (end->heads_crc != reader->frames.heads_crc)
		return bad(reader, "a frame is lost, doubled or swapped");
	if (!totals_match(reader))
		return bad(reader, "END with other totals than the stream");
	if (!nothing_is_lost(end))
		return bad(reader, "pages that were asked for did not come");
	if (!subjects_are_known(reader, end->gone, end->n_gone) ||
	    !subjects_are_known(reader, end->async_io, end->n_async_io))
		return bad(reader, "END that names a task that is not there");
	return FRAME_END;
}

/* Where the stream is behind a frame of this kind; PLACE_START: not allowed. */
static enum stream_place place_after(const struct stream_reader *reader,
				     uint16_t kind)
{
	enum stream_place at = reader->place;
	bool before = at == PLACE_TASKS || at == PLACE_MAPS;
	bool listed = at == PLACE_VMAS || at == PLACE_RUNS ||
		      at == PLACE_PAGES || at == PLACE_IMAGES;

	switch (kind) {
	case KIND_HELLO:
		return at == PLACE_START ? PLACE_TASKS : PLACE_START;
	case KIND_TASK:
		return at == PLACE_TASKS ? PLACE_TASKS : PLACE_START;
	case KIND_MAPS:
		return before ? PLACE_MAPS : PLACE_START;
	case KIND_RELEASE:
		return before ? PLACE_VMAS : PLACE_START;
	case KIND_THAWED:
		if (before)
			return PLACE_VMAS;
		return listed && !reader->thawed ? PLACE_LATE_THAWED
						 : PLACE_START;
	case KIND_VMAS:
		return at == PLACE_VMAS ? PLACE_VMAS : PLACE_START;
	case KIND_RUNS:
		return at == PLACE_VMAS || at == PLACE_RUNS ? PLACE_RUNS
							    : PLACE_START;
	case KIND_IMAGE:
		return at == PLACE_VMAS || at == PLACE_IMAGES ? PLACE_IMAGES
							      : PLACE_START;
	case KIND_PAGES:
		return listed && at != PLACE_RUNS ? PLACE_PAGES : PLACE_START;
	case KIND_END:
		return at == PLACE_START ? PLACE_START : PLACE_END;
	default:
		return at;
	}
}

static enum frame_status take_content(struct stream_reader *reader,
				      const struct frame *frame,
				      enum stream_place place)
{
	enum frame_status status;

	switch (frame->kind) {
	case KIND_HELLO:
		return take_hello(reader);
	case KIND_TASK:
		return take_task(reader, frame);
	case KIND_THAWED:
		reader->thawed = true;
		return FRAME_OK;
	case KIND_MAPS:
	case KIND_VMAS:
		return take_subject(reader, frame, place);
	case KIND_RUNS:
	case KIND_PAGES:
		status = take_subject(reader, frame, place);
		return status == FRAME_OK ? take_runs(reader, frame) : status;
	case KIND_IMAGE:
		return take_image(reader, frame);
	case KIND_END:
		return take_end(reader);
	default:
		return FRAME_OK;
	}
}

static const char *senseless(uint16_t kind)
{
	switch (kind) {
	case KIND_HELLO:
		return "HELLO that makes no sense";
	case KIND_TASK:
		return "TASK that makes no sense";
	case KIND_MAPS:
		return "MAPS that makes no sense";
	case KIND_VMAS:
		return "VMAS that makes no sense";
	case KIND_END:
		return "END that makes no sense";
	default:
		return "RELEASE or THAWED that makes no sense";
	}
}

static bool is_list(uint16_t kind)
{
	return kind == KIND_TASK || kind == KIND_MAPS || kind == KIND_VMAS;
}

static enum frame_status take_message(struct stream_reader *reader,
				      const struct frame *frame)
{
	control_free(reader->message);
	reader->message = NULL;
	if (!control_is(frame->kind))
		return FRAME_OK;
	if (is_list(frame->kind))
		reader->list_bytes += frame->table_size;
	if (reader->list_bytes > STREAM_LISTS_MAX)
		return bad(reader, "more of TASK, MAPS and VMAS than a stream "
				   "may have");
	reader->message = control_decode(frame);
	if (reader->message)
		return FRAME_OK;
	return bad(reader, errno == ENOMEM
				   ? "a message that would take too much memory"
				   : senseless(frame->kind));
}

enum frame_status stream_next(struct stream_reader *reader, struct frame *frame)
{
	enum frame_status status = frame_next(&reader->frames, frame);
	enum stream_place place;

	if (status != FRAME_OK)
		return status;
	place = place_after(reader, frame->kind);
	if (place == PLACE_START)
		return bad(reader, "frames out of order");
	if (place != PLACE_IMAGES && !image_is_whole(reader))
		return bad(reader, "an image file that is not whole");
	status = take_message(reader, frame);
	if (status != FRAME_OK)
		return status;
	status = take_content(reader, frame, place);
	reader->place = place;
	return status;
}

enum frame_status stream_finish(struct stream_reader *reader)
{
	return frame_finish(&reader->frames);
}
