// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A thread that writes pages while the next ones are taken from the stream:
 * one CPU copies out of the pipe, another one into the file.  Its pieces are
 * as large as memread's, which stay in the CPU's cache.  Everything but the
 * writing is the caller's business, signals and the files too.
 *
 * These functions die, in the calling thread: what the other one could not
 * write is told by the next call.
 */
#ifndef IMGWRITE_WRITER_H
#define IMGWRITE_WRITER_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#define WRITER_PIECE  (256u << 10) /* bytes */
#define WRITER_PIECES 8

struct writer_piece {
	int fd;
	uint32_t size; /* bytes */
	uint64_t offset;
	char *data;
};

struct writer {
	bool started;
	struct writer_piece pieces[WRITER_PIECES];
	unsigned int next; /* piece to be filled */
	sem_t empty;
	sem_t full;
	_Atomic int error; /* errno of the first write that failed */
};

/* WRITER_PIECE bytes to be filled; waits until there are. */
char *writer_room(struct writer *writer);

/* What was filled is to be written at offset of fd; with fd -1, nowhere. */
void writer_put(struct writer *writer, int fd, uint64_t offset, uint32_t size);

/* Waits until all that was put is written. */
void writer_settle(struct writer *writer);

#endif
