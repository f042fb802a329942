// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/ring.h"

#include "base/io.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((size_t)RING_PIECE * RING_PIECES)

int ring_create(int fds[2])
{
	fds[0] = memfd_create("pagepipe", MFD_CLOEXEC);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	if (fds[0] >= 0 && fds[1] >= 0 && ftruncate(fds[0], SIZE) == 0)
		return 0;
	close(fds[0]);
	close(fds[1]);
	return -1;
}

int ring_open(struct ring *ring, const int fds[2])
{
	struct stat stat;

	if (fstat(fds[0], &stat) < 0)
		return -1;
	errno = EINVAL;
	if (stat.st_size != SIZE)
		return -1;
	*ring = (struct ring){.given = fds[1], .nr_free = RING_PIECES};
	ring->data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fds[0], 0);
	return ring->data == MAP_FAILED ? -1 : 0;
}

char *ring_piece(const struct ring *ring)
{
	return ring->data + (size_t)ring->at * RING_PIECE;
}

static void advance(struct ring *ring)
{
	ring->at = (ring->at + 1) % RING_PIECES;
}

int ring_pass(struct ring *ring, int pipe)
{
	uint64_t given = 0;

	advance(ring);
	if (--ring->nr_free)
		return 0;
	if (io_wait(ring->given, pipe) < 0 ||
	    io_read(ring->given, &given, sizeof(given)) < 0)
		return -1;
	ring->nr_free = given;
	if (given <= RING_PIECES)
		return 0;
	errno = EPROTO;
	return -1;
}

const char *ring_take(struct ring *ring)
{
	const char *piece = ring_piece(ring);

	advance(ring);
	return piece;
}

int ring_give(const struct ring *ring)
{
	uint64_t one = 1;

	return io_write(ring->given, &one, sizeof(one));
}
