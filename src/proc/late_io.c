// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/late_io.h"

#include "proc/procfs.h"
#include "proc/task.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "pos:\t0\nflags:\t0140000\n...", octal; proc_pid_fdinfo(5) */
static bool is_open_direct(pid_t pid, pid_t tid, int fd)
{
	struct buf text = {0};
	const char *flags = NULL;
	char path[32];
	bool direct = false;

	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	if (procfs_read(pid, tid, path, &text) == 0)
		flags = strstr(text.data, "\nflags:\t");
	if (flags)
		direct = strtoul(flags + 8, NULL, 8) & O_DIRECT;
	buf_release(&text);
	return direct;
}

/* Of a file or a device; a pipe means something else by it. */
bool late_io_is_direct(pid_t pid, pid_t tid)
{
	struct buf fds = {0};
	bool found = false;

	if (task_descriptors(pid, tid, "/", &fds) < 0)
		found = true; /* it cannot be said */
	for (size_t i = 0; !found && i < fds.size / sizeof(int); i++)
		found = is_open_direct(pid, tid, ((int *)fds.data)[i]);
	buf_release(&fds);
	return found;
}

/* Their rings show in maps; an io_uring need not be mapped. */
bool late_io_is_async(pid_t pid, pid_t tid, const char *maps)
{
	return strstr(maps, " /[aio]") ||
	       strstr(maps, " anon_inode:[io_uring]") ||
	       task_has_descriptor(pid, tid, "anon_inode:[io_uring]") > 0;
}
