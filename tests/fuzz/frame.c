// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A page stream as every reading tool sees it (src/stream/reader.h), shown as
 * framedump shows it, and its MAPS parsed as vmalist does.
 *
 *   byte 0   bit 0: the rest has no magic, and is sealed (kit/seal.h)
 *            bit 1: bodies are left for the reader to discard
 *   rest     the stream
 */
#include "kit/kit.h"
#include "kit/seal.h"

#include "framedump/show.h"
#include "proc/maps.h"
#include "stream/reader.h"

#include <string.h>
#include <unistd.h>

enum { SEALED = 1, DISCARDED = 2 };

struct reading {
	int fd;
	bool discarded;
	struct stream_reader reader;
	struct shown shown;
	uint64_t pages; /* PRESENT ones */
	struct buf maps;
	bool whole;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	kit_quiet();
	return 0;
}

static void check_runs(struct reading *reading, const struct frame *frame)
{
	const struct stream_reader *reader = &reading->reader;
	uint32_t page_size = reader->hello->page_size;
	vaddr_t low = 0;

	if (frame->kind != KIND_RUNS && frame->kind != KIND_PAGES)
		return;
	kit_must(reader->nr_runs <= RUNS_MAX, "runs have a limit");
	for (uint32_t i = 0; i < reader->nr_runs; i++) {
		const struct run *run = &reader->runs[i];

		kit_must(run_is_valid(run, page_size), "a run is valid");
		kit_must(run->vaddr >= low, "runs ascend");
		low = run_end(run, page_size);
		if (run->flags & RUN_PRESENT && frame->kind == KIND_PAGES)
			reading->pages += run->nr_pages;
	}
}

static void take_maps(struct reading *reading, const struct frame *frame)
{
	const Pagestream__Maps *maps =
		(const Pagestream__Maps *)reading->reader.message;

	if (frame->kind == KIND_MAPS)
		buf_append(&reading->maps, maps->text.data, maps->text.len);
}

/* As listing.c's list: all pieces, and a 0 behind them. */
static void parse_maps(struct reading *reading)
{
	const char *at;
	struct vma vma;

	if (buf_append(&reading->maps, "", 1) < 0)
		return;
	at = reading->maps.data;
	while (maps_next(&at, &vma) > 0) {
		kit_must(vma.start < vma.end, "a mapping has a size");
		kit_must(vma.name + vma.name_size <
				 reading->maps.data + reading->maps.size,
			 "a name is in the text");
		(void)vma_kind(&vma);
	}
}

static enum frame_status take_body(struct reading *reading)
{
	struct frame_reader *frames = &reading->reader.frames;
	enum frame_status status = FRAME_OK;
	char scrap[1000];

	while (!reading->discarded && status == FRAME_OK && frames->body_left)
		status = frame_body(frames, scrap,
				    frames->body_left < sizeof(scrap)
					    ? frames->body_left
					    : sizeof(scrap));
	return status;
}

static void read_all(void *of)
{
	struct reading *reading = of;
	struct stream_reader *reader = &reading->reader;
	enum frame_status status;
	struct frame frame;

	while ((status = stream_next(reader, &frame)) == FRAME_OK) {
		check_runs(reading, &frame);
		take_maps(reading, &frame);
		if (take_body(reading) != FRAME_OK)
			return;
		show_count(&reading->shown, reader, &frame);
		show_frame(reader, &frame);
	}
	kit_must(status != FRAME_BAD || stream_why(reader), "BAD says why");
	if (status != FRAME_END)
		return;
	show_end(reader);
	reading->whole = stream_finish(reader) == FRAME_END;
	kit_must(reading->pages <= reader->end->totals->present,
		 "END counts the pages");
}

static void read_stream(const uint8_t *data, size_t size, bool discarded)
{
	struct reading reading = {
		.fd = kit_reader(data, size),
		.discarded = discarded,
	};

	if (stream_reader_init(&reading.reader, reading.fd, -1) == 0) {
		kit_run(read_all, &reading);
		show_summary(&reading.reader, &reading.shown, reading.whole);
		parse_maps(&reading);
	}
	stream_reader_release(&reading.reader);
	buf_release(&reading.maps);
	close(reading.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	uint8_t how = kit_byte(&input);
	struct buf sealed = {0};

	if (!(how & SEALED))
		read_stream(input.data, input.size, how & DISCARDED);
	else if (seal(&sealed, input.data, input.size) == 0)
		read_stream((const uint8_t *)sealed.data, sealed.size,
			    how & DISCARDED);
	buf_release(&sealed);
	return 0;
}
