// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/img.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_PIECE 65536 /* bytes */

int img_create(int dir, const char *name)
{
	return openat(dir, name,
		      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);
}

static int put_u32(struct buf *out, uint32_t value)
{
	return buf_append(out, &value, sizeof(value));
}

int img_put_magic(struct buf *out, uint32_t first, uint32_t second)
{
	if (first && put_u32(out, first) < 0)
		return -1;
	return put_u32(out, second);
}

int img_put(struct buf *out, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (put_u32(out, (uint32_t)size) < 0 || buf_reserve(out, size) < 0)
		return -1;
	protobuf_c_message_pack(message, (uint8_t *)out->data + out->size);
	out->size += size;
	return 0;
}

int img_write_file(int dir, const char *name, const struct buf *out)
{
	own_fd int fd = img_create(dir, name);

	if (fd < 0 || io_write(fd, out->data, out->size) < 0)
		return -1;
	return fsync(fd);
}

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

int img_open(int dir, const char *name)
{
	own_fd int fd = openat(dir, name,
			       O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK |
				       O_NOCTTY);
	struct stat stat;

	if (fd < 0 && errno == ELOOP) /* it leads who knows where */
		return bad();
	if (fd < 0 || fstat(fd, &stat) < 0)
		return -1;
	return S_ISREG(stat.st_mode) ? steal_fd(&fd) : bad();
}

int img_read_small(int dir, const char *name, size_t max, struct buf *out)
{
	own_fd int fd = img_open(dir, name);
	size_t before = out->size;
	ssize_t n;

	if (fd < 0)
		return -1;
	do {
		if (buf_reserve(out, READ_PIECE) < 0)
			return -1;
		n = io_read(fd, out->data + out->size, READ_PIECE);
		if (n < 0)
			return -1;
		out->size += (size_t)n;
		if (out->size - before > max)
			return bad();
	} while (n);
	return 0;
}

static int take_u32(const char **at, const char *end, uint32_t *value)
{
	if (end - *at < (ptrdiff_t)sizeof(*value))
		return bad();
	memcpy(value, *at, sizeof(*value));
	*at += sizeof(*value);
	return 0;
}

int img_take_magic(const char **at, const char *end, uint32_t first,
		   uint32_t second)
{
	uint32_t value;

	if (first && (take_u32(at, end, &value) < 0 || value != first))
		return bad();
	if (take_u32(at, end, &value) < 0 || value != second)
		return bad();
	return 0;
}

/* What is freed meanwhile is little, and not given back. */
static void *reserve(void *left, size_t size)
{
	if (size > *(size_t *)left)
		return NULL;
	*(size_t *)left -= size;
	return malloc(size);
}

static void release(void *unused, void *data)
{
	(void)unused;
	free(data);
}

int img_take_within(const char **at, const char *end, size_t memory,
		    const ProtobufCMessageDescriptor *type,
		    ProtobufCMessage **message)
{
	ProtobufCAllocator allocator = {reserve, release, &memory};
	uint32_t size;

	if (*at == end)
		return 0;
	if (take_u32(at, end, &size) < 0 || size > (uint64_t)(end - *at))
		return bad();
	*message = protobuf_c_message_unpack(type, &allocator, size,
					     (const uint8_t *)*at);
	if (!*message)
		return bad();
	*at += size;
	return 1;
}
