// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Write tracking of another process by userfaultfd(2): UFFD_FEATURE_WP_ASYNC
 * (Linux 6.7).  A protected page becomes written by its first write, without
 * a fault that anybody sees; PAGEMAP_SCAN tells and protects anew, while the
 * process runs (proc/pagescan.h).
 *
 * The descriptor belongs to the memory of the process that made it, so the
 * process has to make it; it is taken over, and closed there.  When the last
 * copy of it is closed, all pages count as written.
 *
 * -1 with errno.
 */
#ifndef PROC_UFFD_H
#define PROC_UFFD_H

#include "vm/vma.h"

#include <stdbool.h>
#include <sys/types.h>

/* Has this kernel all that it takes? */
bool uffd_works(void);

/*
 * Makes the process give one, by one of its threads, which is stopped for some
 * 50 us; in a process of our own that ends then, see remote.h.  As
 * remote_begin(); EMFILE: it has no descriptor left; EBUSY: it is traced by
 * somebody else.
 */
int uffd_take(pid_t pid);

/*
 * Is that memory to be tracked?  Not the pages of a file that cannot be
 * written: few of them are private, and a first read of the others would take
 * longer.
 */
bool uffd_wants(const struct vma *vma);

/*
 * From now on writes between start and end, which are mapped, are tracked;
 * nothing changes where they are already.  EBUSY: by somebody else's
 * userfaultfd; EINVAL, EPERM: not that memory; ENOMEM: the process has called
 * exec or ended.
 */
int uffd_register(int uffd, vaddr_t start, vaddr_t end);

/* Makes a page count as written. */
int uffd_touch(int uffd, vaddr_t vaddr);

#endif
