// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgwrite/writer.h"

#include "base/io.h"
#include "stage/stage.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static void await(sem_t *sem)
{
	while (sem_wait(sem) < 0) /* EINTR */
		;
}

/* Behind a failure nothing more is written: the disk may be full. */
static void write_piece(struct writer *writer, const struct writer_piece *piece)
{
	if (piece->fd >= 0 && !writer->error &&
	    io_pwrite(piece->fd, piece->data, piece->size, piece->offset) < 0)
		writer->error = errno;
	if (piece->ring && ring_give(piece->ring) < 0 && !writer->error)
		writer->error = errno;
}

static void *write_pieces(void *of)
{
	struct writer *writer = of;

	for (unsigned int at = 0;; at = (at + 1) % WRITER_PIECES) {
		await(&writer->full);
		write_piece(writer, &writer->pieces[at]);
		sem_post(&writer->empty);
	}
	return NULL;
}

/* Signals are for the first thread, which undoes our work. */
static void start_thread(struct writer *writer)
{
	pthread_t thread;
	sigset_t before;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&thread, NULL, write_pieces, writer);
	if (errno)
		die_errno(EXIT_SYSTEM, "cannot start a thread");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void begin(struct writer *writer)
{
	for (int i = 0; i < WRITER_PIECES; i++) {
		writer->pieces[i].room =
			aligned_alloc(WRITER_PIECE, WRITER_PIECE);
		if (!writer->pieces[i].room)
			die(EXIT_SYSTEM, "no memory");
	}
	sem_init(&writer->empty, 0, WRITER_PIECES);
	sem_init(&writer->full, 0, 0);
	start_thread(writer);
	writer->started = true;
}

static void wait_for_one(struct writer *writer)
{
	await(&writer->empty);
	errno = writer->error;
	if (errno)
		die_errno(EXIT_SYSTEM, "cannot write the images");
}

struct writer_piece *writer_next(struct writer *writer)
{
	if (!writer->started)
		begin(writer);
	wait_for_one(writer);
	return &writer->pieces[writer->next];
}

void writer_put(struct writer *writer)
{
	writer->next = (writer->next + 1) % WRITER_PIECES;
	sem_post(&writer->full);
}

void writer_settle(struct writer *writer)
{
	if (!writer->started)
		return;
	for (int i = 0; i < WRITER_PIECES; i++)
		wait_for_one(writer);
	for (int i = 0; i < WRITER_PIECES; i++)
		sem_post(&writer->empty);
}
