// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Files under /proc/PID and /proc/PID/task/TID (tid 0: the former).  -1 with
 * errno: ENOENT or ESRCH when the process is gone, EACCES or EPERM when it
 * may not be looked into.
 */
#ifndef PROC_PROCFS_H
#define PROC_PROCFS_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Is it one of these, in errno?  Any other failure (no descriptor, no memory)
 * says nothing of the process, which must then not be left out.
 */
bool procfs_is_gone(void);
int procfs_open(pid_t pid, pid_t tid, const char *name);
/* With the flags of open(2), to write. */
int procfs_open_as(pid_t pid, pid_t tid, const char *name, int flags);
/* Appends a piece of it: 1; 0 at its end.  What follows appends the rest. */
int procfs_read_more(int fd, struct buf *out);
/* Appends the whole file, and a NUL byte that size does not count. */
int procfs_read_all(int fd, struct buf *out);
int procfs_read(pid_t pid, pid_t tid, const char *name, struct buf *out);

#endif
