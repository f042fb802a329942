// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Input that the kernel may store long after it was asked for: into pages that
 * it has pinned, past the page tables, where no tracking sees it.
 */
#ifndef PROC_LATE_IO_H
#define PROC_LATE_IO_H

#include "base/clock.h"

#include <sys/types.h>

/* What is under way for longer is not reckoned with. */
#define LATE_IO_NS S_NS

enum late_io {
	LATE_IO_NONE,
	LATE_IO_DIRECT, /* only while a thread waits for it: open(2), O_DIRECT
			 */
	LATE_IO_ASYNC, /* also while the process is stopped: libaio, io_uring */
};

/*
 * What a process may have, by its mappings (the text of /proc/PID/maps) and
 * the descriptors of a living thread of it.
 */
enum late_io late_io_of(pid_t pid, pid_t tid, const char *maps);

#endif
