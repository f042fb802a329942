// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/fill.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Pages of the next nr; or -1 with errno. */
static int64_t copy(const struct fill *fill, vaddr_t vaddr, uint64_t nr)
{
	struct uffdio_copy request = {
		.dst = vaddr,
		.src = (uintptr_t)fill->data + fill->done * fill->page_size,
		.len = nr * fill->page_size,
	};

	if (ioctl(fill->uffd, UFFDIO_COPY, &request) == 0)
		return (int64_t)nr;
	return request.copy > 0 ? request.copy / fill->page_size : -1;
}

static int64_t zero(const struct fill *fill, vaddr_t vaddr, uint64_t nr)
{
	struct uffdio_zeropage request = {
		.range = {vaddr, nr * fill->page_size},
	};

	if (ioctl(fill->uffd, UFFDIO_ZEROPAGE, &request) == 0)
		return (int64_t)nr;
	return request.zeropage > 0 ? request.zeropage / fill->page_size : -1;
}

/* One page that was there, or has no place: waiters find that out. */
static void pass(struct fill *fill, vaddr_t vaddr, uint64_t *counter)
{
	int error = errno;

	fill_wake(fill->uffd, vaddr, fill->page_size);
	fill->done++;
	++*counter;
	errno = error;
}

/* EFAULT has two meanings in mfill_atomic(), mm/userfaultfd.c. */
static enum fill_outcome outcome_of(int error)
{
	switch (error) {
	case EAGAIN:
		return FILL_CHANGING;
	case EFAULT:
		return FILL_NO_DATA;
	case ENOMEM:
		return FILL_NO_MEMORY;
	case ESRCH:
	case ENOSPC: /* before Linux 4.19 */
		return FILL_GONE;
	default:
		return FILL_ERROR;
	}
}

/*
 * ENOENT: nothing is mapped there, or it is just being moved away.  The call
 * looks for a mapping first, and waits for mremap(2) there, and only then
 * whether an event is under way (mfill_atomic(), mm/userfaultfd.c, from Linux
 * 6.8 on).  A second call says that at once, by EAGAIN.
 */
enum fill_outcome fill(struct fill *fill)
{
	uint64_t most = fill->nr_pages;
	vaddr_t doubtful = UINT64_MAX;

	while (fill->done < fill->nr_pages) {
		vaddr_t vaddr = fill->vaddr + fill->done * fill->page_size;
		uint64_t nr = fill->nr_pages - fill->done;
		int64_t pages;

		nr = nr < most ? nr : most;
		pages = fill->data ? copy(fill, vaddr, nr)
				   : zero(fill, vaddr, nr);
		if (pages > 0) {
			fill->done += (uint64_t)pages;
			most = fill->nr_pages;
		} else if (errno == EEXIST) {
			pass(fill, vaddr, &fill->there);
		} else if (errno == ENOENT && nr > 1) {
			most = nr / 2;
		} else if (errno == ENOENT && vaddr != doubtful) {
			doubtful = vaddr;
		} else if (errno == ENOENT) {
			pass(fill, vaddr, &fill->refused);
			most = fill->nr_pages;
		} else {
			return outcome_of(errno);
		}
	}
	return FILL_DONE;
}

void fill_wake(int uffd, vaddr_t vaddr, uint64_t size)
{
	struct uffdio_range range = {vaddr, size};

	(void)ioctl(uffd, UFFDIO_WAKE, &range);
}

bool fill_is_uffd(int fd)
{
	static const char wanted[] = "anon_inode:[userfaultfd]";
	char path[32], link[64];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, link, sizeof(link));
	return size == (ssize_t)strlen(wanted) &&
	       !memcmp(link, wanted, (size_t)size);
}

/* The lowest page is never a mapping of anybody's that is registered. */
bool fill_is_alive(int uffd, uint32_t page_size)
{
	struct uffdio_zeropage request = {.range = {0, page_size}};

	return ioctl(uffd, UFFDIO_ZEROPAGE, &request) == 0 ||
	       (errno != ESRCH && errno != ENOSPC);
}
