// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A thread that writes pages while the next ones are taken from the stream:
 * one CPU copies out of the pipe, or checks what is in a ring, another one
 * copies into the file.  Its pieces are as large as memread's, which stay in
 * the CPU's cache.  Everything but the writing is the caller's business,
 * signals and the files too.
 *
 * These functions die, in the calling thread: what the other one could not
 * write is told by the next call.
 */
#ifndef IMGWRITE_WRITER_H
#define IMGWRITE_WRITER_H

#include "base/ring.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#define WRITER_PIECE  (256u << 10) /* bytes */
#define WRITER_PIECES 8

struct writer_piece {
	int fd;        /* -1: it is written nowhere */
	uint32_t size; /* bytes */
	uint64_t offset;
	char *room; /* WRITER_PIECE bytes */
	const char *data;
	const struct ring *ring; /* where data goes back to; NULL: it is not */
};

struct writer {
	bool started;
	struct writer_piece pieces[WRITER_PIECES];
	unsigned int next; /* piece to be filled */
	sem_t empty;
	sem_t full;
	_Atomic int error; /* errno of the first write that failed */
};

/* To be filled in, all but room; waits until there is one. */
struct writer_piece *writer_next(struct writer *writer);

/* What was filled in is to be done. */
void writer_put(struct writer *writer);

/* Waits until all that was put is written. */
void writer_settle(struct writer *writer);

#endif
