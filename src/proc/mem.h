// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Reading the memory of a process from outside; nothing here ever writes.
 *
 * process_vm_readv(2) takes many pieces in one call and was 1.4 to 2 times
 * as fast as pread(2) on /proc/PID/mem (Linux 6.18; an older machine had it
 * the other way round).  What it may not read (PROT_NONE, write-only,
 * execute-only) /proc/PID/mem reads all the same, as CRIU's parasite would
 * after an mprotect; what neither reads is the caller's to skip.
 *
 * exec keeps the pid and the start time.  A descriptor of /proc/PID/mem that
 * was opened before belongs to the old address space and then reads 0 bytes,
 * so it is opened first, and asked again after each process_vm_readv.
 */
#ifndef PROC_MEM_H
#define PROC_MEM_H

#include "vm/run.h"

#include <sys/types.h>

enum mem_method {
	MEM_AUTO,  /* process_vm_readv, and /proc/PID/mem where that fails */
	MEM_READV, /* process_vm_readv alone */
	MEM_FILE,  /* /proc/PID/mem alone */
};

#define MEM_PIECES 1024 /* pieces of one read: UIO_MAXIOV */

struct mem {
	int fd; /* /proc/PID/mem */
	pid_t tid;
	uint32_t page_size;
	enum mem_method method;
};

/* Which process, and (as far as exec moves its stack) which program in it. */
struct mem_owner {
	pid_t pid;
	uint64_t start_time; /* clock ticks */
	vaddr_t start_stack; /* 0: not known */
};

/*
 * Opens the owner's memory through its living thread tid.  -1 with errno;
 * ESRCH: the thread or the owner is gone, or is another program now.
 */
int mem_open(struct mem *mem, const struct mem_owner *owner, pid_t tid);
void mem_close(struct mem *mem);

/*
 * Reads the pages of at most MEM_PIECES pieces into data, one after another,
 * up to the first page that cannot be read.  Pages read, 0 when the very
 * first one cannot be; -1 with errno (ESRCH: ended, or has called exec).
 */
ssize_t mem_read(struct mem *mem, const struct run *pieces, size_t nr,
		 void *data);

#endif
