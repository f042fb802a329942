// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/procfs.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int procfs_open_as(pid_t pid, pid_t tid, const char *name, int flags)
{
	char path[96];

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid,
			 name);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open(path, flags | O_CLOEXEC);
}

int procfs_open(pid_t pid, pid_t tid, const char *name)
{
	return procfs_open_as(pid, tid, name, O_RDONLY);
}

bool procfs_is_gone(void)
{
	return errno == ENOENT || errno == ESRCH || errno == EACCES ||
	       errno == EPERM;
}

int procfs_read_more(int fd, struct buf *out)
{
	ssize_t n;

	if (buf_reserve(out, 4096 + 1) < 0)
		return -1;
	do
		n = read(fd, out->data + out->size, out->room - out->size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	out->size += (size_t)n;
	out->data[out->size] = 0;
	return n > 0;
}

int procfs_read_all(int fd, struct buf *out)
{
	int result;

	while ((result = procfs_read_more(fd, out)) > 0)
		;
	return result;
}

int procfs_read(pid_t pid, pid_t tid, const char *name, struct buf *out)
{
	own_fd int fd = procfs_open(pid, tid, name);

	if (fd < 0)
		return -1;
	return procfs_read_all(fd, out);
}
