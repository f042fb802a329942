// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

int buf_reserve(struct buf *buf, size_t more)
{
	size_t need = buf->size + more;
	size_t room = buf->room ? buf->room : 256;
	char *data;

	if (need <= buf->room)
		return 0;
	while (room < need)
		room += room / 2;
	data = realloc(buf->data, room);
	if (!data)
		return -1;
	buf->data = data;
	buf->room = room;
	return 0;
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
	if (!size)
		return 0;
	if (buf_reserve(buf, size) < 0)
		return -1;
	memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	return 0;
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}
