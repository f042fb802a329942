// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* 0 to try again after EINTR or EAGAIN, -1 when errno is a real one. */
static int again(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return -1;
	return poll(&one, 1, -1) < 0 && errno != EINTR ? -1 : 0;
}

ssize_t io_read(int fd, void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)data + done, size - done);

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (again(fd, POLLIN) < 0)
			return -1;
	}
	return (ssize_t)done;
}

int io_write(int fd, const void *data, size_t size)
{
	struct iovec iov = {(void *)data, size};

	return io_writev(fd, &iov, 1);
}

int io_writev(int fd, struct iovec *iov, int nr)
{
	while (nr > 0) {
		ssize_t n = writev(fd, iov, nr);

		if (n < 0) {
			if (again(fd, POLLOUT) < 0)
				return -1;
			continue;
		}
		for (; nr > 0 && (size_t)n >= iov->iov_len; iov++, nr--)
			n -= (ssize_t)iov->iov_len;
		if (nr > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int io_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0 && again(fd, POLLOUT) < 0)
			return -1;
		if (n < 0)
			continue;
		data = (const char *)data + n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int io_wait(int in, int out)
{
	struct pollfd fds[2] = {
		{.fd = in, .events = POLLIN},
		{.fd = out},
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -1;
	if (fds[1].revents & POLLERR) {
		errno = EPIPE;
		return -1;
	}
	return 0;
}

void io_pipe_room(int fd, int size)
{
	if (fcntl(fd, F_GETPIPE_SZ) < size)
		fcntl(fd, F_SETPIPE_SZ, size);
}
