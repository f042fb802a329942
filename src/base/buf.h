// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A growing piece of memory.  Zero is a valid empty buf; buf_release() makes
 * it that again.  Growth fails with -1 and ENOMEM and leaves it as it was.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data;
	size_t size; /* bytes used */
	size_t room; /* bytes allocated */
};

int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *data, size_t size);
void buf_release(struct buf *buf);

#endif
