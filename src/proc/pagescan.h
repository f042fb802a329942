// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which pages of a mapping are there to be read: present or swapped, not the
 * zero page, not an unmodified page of a private file mapping, no guard page;
 * of the vDSO, all.  These are the pages that CRIU writes.
 *
 * By the PAGEMAP_SCAN ioctl of /proc/PID/pagemap (Linux 6.7; 1.2 ms a GiB) or,
 * without it, by reading that file (4 ms a GiB); Linux
 * Documentation/admin-guide/mm/pagemap.rst.
 */
#ifndef PROC_PAGESCAN_H
#define PROC_PAGESCAN_H

#include "vm/run.h"
#include "vm/vma.h"

#include <sys/types.h>

enum pagescan_method {
	PAGESCAN_AUTO,
	PAGESCAN_IOCTL,
	PAGESCAN_PAGEMAP,
};

struct pagescan;

/*
 * Opens the pagemap of a process through one of its threads.  NULL with
 * errno; ENOTTY when PAGESCAN_IOCTL is asked for and the kernel lacks it.
 */
struct pagescan *pagescan_open(pid_t pid, pid_t tid,
			       enum pagescan_method method);
void pagescan_close(struct pagescan *scan);

/* What AUTO has become. */
enum pagescan_method pagescan_method(const struct pagescan *scan);

/* A function to call now and then during a long search for the next page. */
void pagescan_tick(struct pagescan *scan, void (*tick)(void *), void *of);

/* Which pages come as RUN_PARENT: those that were not written since ... */
enum pagescan_split {
	PAGESCAN_WHOLE,      /* none */
	PAGESCAN_SOFT_DIRTY, /* their soft-dirty bits were cleared */
	PAGESCAN_WRITTEN,    /* the last such search, which protects them anew;
				memory that is registered, PAGESCAN_IOCTL */
};
void pagescan_split(struct pagescan *scan, enum pagescan_split split);

/*
 * Is a userfaultfd told of writes there?  Also where nothing is mapped; of
 * PAGESCAN_IOCTL.
 */
bool pagescan_is_tracked(const struct pagescan *scan, vaddr_t vaddr);

/* Starts on the pages from start to end, of a mapping of this kind. */
void pagescan_begin(struct pagescan *scan, enum vma_kind kind, vaddr_t start,
		    vaddr_t end);

/*
 * The next run of pages, RUN_PRESENT, ascending: 1; none left: 0; -1 with
 * errno (ESRCH: the process is gone).
 */
int pagescan_next(struct pagescan *scan, struct run *run);

#endif
