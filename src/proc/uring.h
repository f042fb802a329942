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
 * in whole pages.  maps is the text of /proc/PID/maps.  -1 with errno; ENOTSUP
 * when the kernel has buffers but does not tell where, or may have: a ring is
 * mapped that has no descriptor.
 */
int uring_buffers(pid_t pid, pid_t tid, const char *maps, struct runlist *out);

#endif
