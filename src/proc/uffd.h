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

#include "proc/pagescan.h"

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
 * Is that memory to be tracked?  Private pages of a file are not.  A protected
 * one that is dropped leaves a marker, and a store to that makes a page of
 * what is in the file, which looks clean until the store is tried again: the
 * thread may be stopped between the two.
 */
bool uffd_wants(const struct vma *vma);

struct uffd_target {
	int uffd;
	struct pagescan *scan; /* of that process */
	bool alone; /* it has no userfaultfd of its own: all tracking is ours */
};

/*
 * From now on writes to that mapping are tracked; if they were not already,
 * all its pages count as written.  EBUSY: they are by somebody else's
 * userfaultfd; EINVAL, EPERM: not that memory; ENOMEM: the process has called
 * exec or ended.
 */
int uffd_register(const struct uffd_target *target, const struct vma *vma);

/* false: the memory that it was made for is no more, as after exec. */
bool uffd_lives(int uffd);

/* Makes a page count as written. */
int uffd_touch(int uffd, vaddr_t vaddr);

#endif
