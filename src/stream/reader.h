// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A checked stream: frames as frame_next() gives them, and beyond that the
 * order of kinds, control messages that make sense, subjects that come one
 * after another, runs that ascend, image files that ascend and are whole, and
 * an END whose totals and checksum are those of what was read.  Every reading
 * tool sees its input through this.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "stream/control.h"
#include "stream/image.h"
#include "stream/runs.h"
#include "vm/tally.h"

/* What one stream may have, so that who keeps it has enough memory. */
#define STREAM_TASKS_MAX  65536u
#define STREAM_IMAGES_MAX (1u << 20)
#define STREAM_LISTS_MAX  (256u << 20) /* bytes of TASK, MAPS, VMAS */

enum stream_place {
	PLACE_START,
	PLACE_TASKS, /* HELLO was seen */
	PLACE_MAPS,
	PLACE_VMAS, /* RELEASE or THAWED */
	PLACE_IMAGES,
	PLACE_RUNS,
	PLACE_PAGES,
	PLACE_LATE_THAWED, /* THAWED behind the pages */
	PLACE_END,
};

struct stream_reader {
	struct frame_reader frames;
	enum stream_place place;
	bool thawed;
	uint32_t nr_tasks;
	uint32_t subject; /* of MAPS, VMAS, RUNS and PAGES so far */
	vaddr_t low;      /* where the subject's next run may begin */
	struct tally tally;
	uint64_t body_bytes;
	uint64_t list_bytes;       /* of TASK, MAPS and VMAS tables */
	ProtobufCMessage *message; /* of the present control frame */
	Pagestream__Hello *hello;  /* from HELLO on */
	Pagestream__End *end;      /* from END on */
	struct run *runs;          /* of the present RUNS or PAGES frame */
	uint32_t nr_runs;
	struct image_piece image; /* the present IMAGE frame's, or the last */
	uint64_t image_end;       /* of that piece, bytes into its file */
	uint32_t nr_images;
};

/* Frames from in; out is watched as frame.h says.  -1 with ENOMEM. */
int stream_reader_init(struct stream_reader *reader, int in, int out);
void stream_reader_release(struct stream_reader *reader);

/*
 * FRAME_OK with a frame; FRAME_END at END (its message is in reader->end; its
 * frame is never handed out).
 */
enum frame_status stream_next(struct stream_reader *reader,
			      struct frame *frame);

/*
 * Behind END: FRAME_END at end of file, FRAME_BAD for more bytes.  This waits
 * for the writer to close, which a keeper does only once it is released.
 */
enum frame_status stream_finish(struct stream_reader *reader);

/* What is wrong with a FRAME_BAD stream. */
const char *stream_why(const struct stream_reader *reader);

#endif
