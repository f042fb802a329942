// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Input that the kernel may store long after it was asked for: into pages that
 * it has pinned, past the page tables, where no tracking sees it.
 */
#ifndef PROC_LATE_IO_H
#define PROC_LATE_IO_H

#include "base/clock.h"

#include <stdbool.h>
#include <sys/types.h>

/* What is under way for longer is not reckoned with. */
#define LATE_IO_NS S_NS

/*
 * May a process have some, by its mappings (the text of /proc/PID/maps) and the
 * descriptors of a living thread of it?  Also while it is stopped: libaio and
 * io_uring.
 */
bool late_io_is_async(pid_t pid, pid_t tid, const char *maps);
/* Only while a thread waits for it: a file open with O_DIRECT, open(2). */
bool late_io_is_direct(pid_t pid, pid_t tid);

#endif
