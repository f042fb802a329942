// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Memory that two processes share, for bytes that go from the one to the other
 * beside their pipe: they are written where they are read, so that a copy in
 * and a copy out of the pipe are saved.  Who starts both makes it, and hands it
 * on as two descriptors.
 *
 *   writer   fills a piece, tells of it in the pipe, passes it; the next one
 *            is its own when the reader has given it back
 *   reader   is told in the pipe, takes the piece, reads it, gives it back;
 *            it may have taken others meanwhile
 *
 * Both use the pieces in turns, and the reader gives them back in turns, each
 * at most RING_PIECE bytes of it.  What is in a piece is not checked here: the
 * pipe has its digest.  -1 with errno.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdint.h>

#define RING_PIECE  (256u << 10) /* bytes */
#define RING_PIECES 8

struct ring {
	char *data;
	int given; /* eventfd(2): pieces that the reader has given back */
	uint64_t nr_free;
	unsigned int at; /* the present piece */
};

/* The memory and the eventfd; closed on exec. */
int ring_create(int fds[2]);

/* EINVAL for what is no ring. */
int ring_open(struct ring *ring, const int fds[2]);

/* Writer: the present piece. */
char *ring_piece(const struct ring *ring);

/* Writer: on to the next; EPIPE when the reader of the pipe has gone. */
int ring_pass(struct ring *ring, int pipe);

/* Reader: the piece that it was told of; the next time, the next one. */
const char *ring_take(struct ring *ring);
/* Reader: back goes the first that was not; any thread may do it. */
int ring_give(const struct ring *ring);

#endif
