// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the filters have in common: a checked stream on descriptor 0, a
 * stream on descriptor 1, and the one place where a fault of either becomes
 * a line on stderr and an exit code.  These functions die; they are for
 * tools only.
 */
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include "base/die.h"
#include "stream/reader.h"
#include "stream/writer.h"

enum stage_side {
	STAGE_READS = 1 << 0,
	STAGE_WRITES = 1 << 1,
};

struct stage {
	enum _Pagestream__Stage id;
	enum stage_side sides;
	bool end_first; /* see stage_end() */
	struct ring
		*ring; /* towards the next stage; of a sink, from the last */
	struct stream_reader in;
	struct stream_writer out;
};

/*
 * No core file (it would hold the target's pages), SIGPIPE ignored, no
 * binary from or to a terminal, pipes as large as allowed.
 */
void stage_prepare(enum stage_side sides);

/* A filter from 0 to 1; a source or a sink with one side alone. */
void stage_begin(struct stage *stage, enum _Pagestream__Stage id,
		 enum stage_side sides);

/* Bodies go by the ring of these descriptors: "3,4". */
void stage_open_ring(struct stage *stage, const char *text);

/* The next frame; false at END (see in.end). */
bool stage_next(struct stage *stage, struct frame *frame);

void stage_body(struct stage *stage, void *data, uint32_t size);
/*
 * The same in the ring; NULL where the body is not there.  With the last of a
 * body, *ring is where to give its piece back; otherwise NULL.
 */
const char *stage_body_shared(struct stage *stage, uint32_t size,
			      const struct ring **ring);

void stage_pass(struct stage *stage, const struct frame *frame);
void stage_control(struct stage *stage, enum frame_kind kind, uint32_t subject,
		   const ProtobufCMessage *message);
void stage_runs(struct stage *stage, uint32_t subject, const struct run *runs,
		uint32_t nr);
void stage_alive(struct stage *stage);
void stage_pages(struct stage *stage, const struct pages *pages);
void stage_image(struct stage *stage, const struct image_piece *piece,
		 const void *data, uint32_t size);

/* Dies when there is more behind END; waits for the end of file. */
void stage_finish(struct stage *stage);

/*
 * stage_finish(), then our own END; closes 1.  With end_first the other way
 * round: while the stage to the left is a keeper that only our END will have
 * released, its end of file must not be waited for.
 */
void stage_end(struct stage *stage, Pagestream__End *end);

/* Dies for a stream that lacks, or has already passed, another stage. */
_Noreturn void stage_misplaced(const char *what);

#endif
