// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Mutators by which the kernel stores behind the page tables: O_DIRECT, libaio
 * and io_uring, by bare system calls.  Where a turn ends nothing is in flight
 * (a process that rests has none), but the rings and buffers are there.
 */
#ifndef MUTATOR_IO_H
#define MUTATOR_IO_H

#include "mutator.h"
#include "ring.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/*
 * Buffers that are filled from somewhere in the file, one after the other, with
 * a pause now and then: what is stored late is not soon covered by more.
 */
struct reading {
	int fd;
	char *buffer; /* the one whose turn it is */
	size_t bytes;
	char *buffers;
	size_t nr_buffers;
	size_t turn;
	uint64_t places; /* in the file, a page apart */
};

enum { READ_AREA = 64 << 20, READ_BURST = 32 << 20, READ_PAUSE_US = 150000 };

static struct reading reading_begin(struct mutator *m, size_t area)
{
	struct reading r = {.bytes = m->size, .nr_buffers = area / m->size};
	off_t size;

	r.fd = open(m->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	size = lseek(r.fd, 0, SEEK_END);
	if (r.fd < 0 || size < (off_t)(2 * m->size))
		err(1, "%s", m->path);
	r.places = ((uint64_t)size - m->size) / m->page_size;
	r.buffers = must_map_anon(NULL, r.nr_buffers * r.bytes);
	r.buffer = r.buffers;
	return r;
}

static void reading_next(struct mutator *m, struct reading *r)
{
	r->turn++;
	r->buffer = r->buffers + r->turn % r->nr_buffers * r->bytes;
	if (r->turn * r->bytes % READ_BURST == 0)
		usleep((useconds_t)draw_below(m, READ_PAUSE_US));
}

static off_t draw_place(struct mutator *m, const struct reading *r)
{
	return (off_t)(draw_below(m, r->places) * m->page_size);
}

/* Large reads take long: many buffers, or the next one covers what was late. */
static void mutate_direct(struct mutator *m)
{
	size_t few = 6 * m->size;
	struct reading r = reading_begin(m, few > READ_AREA ? few : READ_AREA);

	for (;; reading_next(m, &r)) {
		turn_begin(m);
		if (pread(r.fd, r.buffer, r.bytes, draw_place(m, &r)) !=
		    (ssize_t)r.bytes)
			err(1, "pread");
		turn_end(m);
	}
}

/* --- libaio --- */

enum { AIO_DEPTH = 4 };

static void aio_submit(struct mutator *m, aio_context_t context,
		       struct reading *r)
{
	struct iocb blocks[AIO_DEPTH];
	struct iocb *pointers[AIO_DEPTH];
	size_t bytes = r->bytes / AIO_DEPTH;

	for (size_t i = 0; i < AIO_DEPTH; i++) {
		blocks[i] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = (uint32_t)r->fd,
			.aio_buf = (uintptr_t)r->buffer + i * bytes,
			.aio_nbytes = bytes,
			.aio_offset = draw_place(m, r),
		};
		pointers[i] = &blocks[i];
	}
	if (syscall(SYS_io_submit, context, AIO_DEPTH, pointers) != AIO_DEPTH)
		err(1, "io_submit");
}

/* A stop may have it return with some of them. */
static void aio_reap(aio_context_t context)
{
	struct io_event events[AIO_DEPTH];
	long left = AIO_DEPTH;

	while (left) {
		long n = syscall(SYS_io_getevents, context, left, left, events,
				 NULL);

		if (n < 0 && errno != EINTR)
			err(1, "io_getevents");
		left -= n > 0 ? n : 0;
	}
}

static void mutate_aio(struct mutator *m)
{
	struct reading r = reading_begin(m, READ_AREA);
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 16 * AIO_DEPTH, &context) < 0)
		err(1, "io_setup");
	for (;; reading_next(m, &r)) {
		turn_begin(m);
		aio_submit(m, context, &r);
		aio_reap(context);
		turn_end(m);
	}
}

/* --- io_uring --- */

static void ring_read(struct mutator *m, struct ring *ring, struct reading *r,
		      uint8_t opcode)
{
	size_t bytes = r->bytes / RING_DEPTH;

	for (uint32_t i = 0; i < RING_DEPTH; i++)
		ring->entries[i] = (struct io_uring_sqe){
			.opcode = opcode,
			.fd = r->fd,
			.addr = (uintptr_t)r->buffer + i * bytes,
			.len = (uint32_t)bytes,
			.off = (uint64_t)draw_place(m, r),
		};
	ring_go(ring, RING_DEPTH, bytes);
}

static void mutate_uring(struct mutator *m)
{
	struct reading r = reading_begin(m, READ_AREA);
	struct ring ring = ring_begin();

	for (;; reading_next(m, &r)) {
		turn_begin(m);
		ring_read(m, &ring, &r, IORING_OP_READ);
		turn_end(m);
	}
}

static void mutate_fixed(struct mutator *m)
{
	struct reading r = reading_begin(m, m->size);
	struct ring ring = ring_begin();

	ring_register(&ring, r.buffer, r.bytes);
	for (;; turn_end(m)) {
		turn_begin(m);
		ring_read(m, &ring, &r, IORING_OP_READ_FIXED);
	}
}

/* Buffers that come and go, and rings: some are there for one round only. */
static void mutate_refixed(struct mutator *m)
{
	struct reading r = reading_begin(m, m->size);

	for (;; turn_end(m)) {
		struct ring ring;
		uint64_t reads;

		turn_begin(m);
		ring = ring_begin();
		ring_register(&ring, r.buffer, r.bytes);
		for (reads = draw_below(m, 200); reads; reads--)
			ring_read(m, &ring, &r, IORING_OP_READ_FIXED);
		if (draw_below(m, 2))
			ring_unregister(&ring);
		ring_end(&ring);
		usleep((useconds_t)draw_below(m, 400000));
	}
}

#endif
