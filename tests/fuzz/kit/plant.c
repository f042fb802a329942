// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A planted fault, linked (ld's --wrap) into TARGET.planted and into nothing
 * else: buf_reserve() promises room, and gives one byte.  Each target has a
 * file in its corpus that shows it.
 */
#include "base/buf.h"

#include <stdlib.h>

int __real_buf_reserve(struct buf *buf, size_t more);
int __wrap_buf_reserve(struct buf *buf, size_t more);

int __wrap_buf_reserve(struct buf *buf, size_t more)
{
	char *less;

	if (__real_buf_reserve(buf, more) < 0)
		return -1;
	less = realloc(buf->data, buf->size + 1);
	buf->data = less ? less : buf->data;
	return 0;
}
