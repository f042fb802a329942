// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Puts pages into the memory behind a userfaultfd, and wakes who waits for
 * them: UFFDIO_COPY, UFFDIO_ZEROPAGE, UFFDIO_WAKE (ioctl_userfaultfd(2)).
 *
 * A page that is there already stays as it is.  A piece that crosses the
 * border of two mappings is refused by the kernel as a whole: it is tried again
 * by halves, as mprotect makes borders of which nobody is told.
 */
#ifndef LAZYSERVE_FILL_H
#define LAZYSERVE_FILL_H

#include "vm/vaddr.h"

#include <stdbool.h>

enum fill_outcome {
	FILL_DONE,
	FILL_CHANGING,  /* an event is under way: read it, then again */
	FILL_NO_MEMORY, /* for now, or by its control group */
	FILL_NO_DATA,   /* it cannot be read; or a huge page came in between */
	FILL_GONE,      /* the process has ended, or called exec */
	FILL_ERROR,     /* errno */
};

struct fill {
	int uffd;
	uint32_t page_size;
	vaddr_t vaddr;
	const char *data; /* NULL: zeros */
	uint64_t nr_pages;
	/* what has become of them */
	uint64_t done;    /* pages, from the first on */
	uint64_t there;   /* of them: were there */
	uint64_t refused; /* of them: no mapping takes them */
};

enum fill_outcome fill(struct fill *fill);

/* Who waits in there tries again. */
void fill_wake(int uffd, vaddr_t vaddr, uint64_t size);

bool fill_is_uffd(int fd);

/* Is the memory behind it still that of a living process? */
bool fill_is_alive(int uffd, uint32_t page_size);

#endif
