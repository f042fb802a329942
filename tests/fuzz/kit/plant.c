// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Planted faults, linked (ld's --wrap) into TARGET.planted and into nothing
 * else; the Makefile says which one a target gets.  Each target has a file in
 * its corpus that shows it.
 */
#include "base/buf.h"
#include "lazyserve/left.h"
#include "proc/local.h"

#include <stdlib.h>
#include <sys/socket.h>

#define IF_WRAPPED __attribute__((weak))

IF_WRAPPED int __real_buf_reserve(struct buf *buf, size_t more);
int __wrap_buf_reserve(struct buf *buf, size_t more);
IF_WRAPPED ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
IF_WRAPPED ssize_t __real_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
void __wrap_left_empty(struct left *left, vaddr_t from, uint64_t size);
int __wrap_local_attached(const struct msghdr *message,
			  const union local_fd *room);

/* It promises room, and gives one byte. */
int __wrap_buf_reserve(struct buf *buf, size_t more)
{
	char *less;

	if (__real_buf_reserve(buf, more) < 0)
		return -1;
	less = realloc(buf->data, buf->size + 1);
	buf->data = less ? less : buf->data;
	return 0;
}

/* What came with the bytes is overlooked. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t size = __real_recvmsg(fd, message, flags);

	message->msg_controllen = 0;
	return size;
}

/* Pages that the process has dropped are given all the same. */
void __wrap_left_empty(struct left *left, vaddr_t from, uint64_t size)
{
	(void)left;
	(void)from;
	(void)size;
}

/* What is longer than it should be is cut. */
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
	return __real_recv(fd, data, size, flags & ~MSG_TRUNC);
}

/* A descriptor that came along is overlooked, and stays. */
int __wrap_local_attached(const struct msghdr *message,
			  const union local_fd *room)
{
	(void)message;
	(void)room;
	return -1;
}
