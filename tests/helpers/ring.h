// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * An io_uring by bare system calls, for a few reads at a time: the caller fills
 * entries[0..n-1], ring_go() has them done.  See io_uring_setup(2).
 */
#ifndef RING_H
#define RING_H

#include <err.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RING_DEPTH = 4 };

struct ring {
	int fd;
	struct io_uring_params params;
	char *queues; /* both */
	size_t size;  /* of them, bytes */
	struct io_uring_sqe *entries;
	unsigned enter_flags;
};

static inline void *ring_map(const struct ring *ring, size_t size, off_t what)
{
	void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 ring->fd, what);

	if (got == MAP_FAILED)
		err(1, "io_uring");
	return got;
}

static inline struct ring ring_begin(void)
{
	struct ring ring = {.params.flags = 0};

	ring.fd = (int)syscall(SYS_io_uring_setup, RING_DEPTH, &ring.params);
	if (ring.fd < 0)
		err(1, "io_uring_setup");
	ring.size = ring.params.cq_off.cqes +
		    ring.params.cq_entries * sizeof(struct io_uring_cqe) +
		    65536;
	ring.queues = ring_map(&ring, ring.size, IORING_OFF_SQ_RING);
	ring.entries = ring_map(&ring, RING_DEPTH * sizeof(*ring.entries),
				IORING_OFF_SQES);
	return ring;
}

static inline void ring_end(struct ring *ring)
{
	munmap(ring->queues, ring->size);
	munmap(ring->entries, RING_DEPTH * sizeof(*ring->entries));
	close(ring->fd);
}

static inline _Atomic uint32_t *ring_word(const struct ring *ring,
					  uint32_t offset)
{
	return (_Atomic uint32_t *)(ring->queues + offset);
}

static inline void ring_prepare(struct ring *ring, uint32_t n)
{
	_Atomic uint32_t *tail = ring_word(ring, ring->params.sq_off.tail);
	uint32_t *slots =
		(uint32_t *)(ring->queues + ring->params.sq_off.array);
	uint32_t mask = *ring_word(ring, ring->params.sq_off.ring_mask);

	for (uint32_t i = 0; i < n; i++)
		slots[(*tail + i) & mask] = i;
	*tail += n;
}

/* The answers, which have to be whole. */
static inline void ring_reap(struct ring *ring, size_t bytes)
{
	_Atomic uint32_t *head = ring_word(ring, ring->params.cq_off.head);
	_Atomic uint32_t *tail = ring_word(ring, ring->params.cq_off.tail);
	uint32_t mask = *ring_word(ring, ring->params.cq_off.ring_mask);
	struct io_uring_cqe *answers =
		(struct io_uring_cqe *)(ring->queues +
					ring->params.cq_off.cqes);

	for (; *head != *tail; ++*head)
		if (answers[*head & mask].res != (int)bytes)
			errx(1, "io_uring: %d", answers[*head & mask].res);
}

/* Has the first n entries done; each has to give that many bytes. */
static inline void ring_go(struct ring *ring, uint32_t n, size_t bytes)
{
	_Atomic uint32_t *head = ring_word(ring, ring->params.cq_off.head);
	_Atomic uint32_t *tail = ring_word(ring, ring->params.cq_off.tail);
	uint32_t submit = n;

	ring_prepare(ring, n);
	while (*tail - *head < n) {
		long taken = syscall(SYS_io_uring_enter, ring->fd, submit, n,
				     IORING_ENTER_GETEVENTS | ring->enter_flags,
				     NULL, 0);

		if (taken < 0 && errno != EINTR)
			err(1, "io_uring_enter");
		submit -= taken > 0 ? (uint32_t)taken : 0;
	}
	ring_reap(ring, bytes);
}

static inline void ring_register(struct ring *ring, void *buffer, size_t bytes)
{
	struct iovec one = {buffer, bytes};

	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS,
		    &one, 1) < 0)
		err(1, "IORING_REGISTER_BUFFERS");
}

/* It goes on without a descriptor, as after io_uring_close_ring_fd(3). */
static inline void ring_hide(struct ring *ring)
{
	struct io_uring_rsrc_update update = {
		.offset = -1U,
		.data = (uint64_t)ring->fd,
	};

	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_RING_FDS,
		    &update, 1) != 1)
		err(1, "IORING_REGISTER_RING_FDS");
	close(ring->fd);
	ring->fd = (int)update.offset;
	ring->enter_flags = IORING_ENTER_REGISTERED_RING;
}

static inline void ring_unregister(struct ring *ring)
{
	syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS,
		NULL, 0);
}

#endif
