// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The buffers that a process has registered with io_uring(7): the kernel
 * writes to them through pages that it has pinned, which no page table shows.
 */
#ifndef PROC_URING_H
#define PROC_URING_H

#include "vm/runlist.h"

#include <sys/types.h>

/*
 * Those of all its rings, as /proc/PID/fdinfo tells, into out, which is empty;
 * in whole pages.  -1 with errno; ENOTSUP when the kernel has buffers but does
 * not tell where.
 */
int uring_buffers(pid_t pid, pid_t tid, struct runlist *out);

#endif
