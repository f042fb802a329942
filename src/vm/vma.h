// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One mapping of the target, as a line of /proc/PID/maps tells it, and what
 * that says about its pages.
 */
#ifndef VM_VMA_H
#define VM_VMA_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>

enum vma_prot {
	VMA_READ = 1 << 0,
	VMA_WRITE = 1 << 1,
	VMA_EXEC = 1 << 2,
	VMA_SHARED = 1 << 3,
};

/* How its pages come into a copy.  The numbers are on the wire. */
enum vma_kind {
	VMA_ANON = 1, /* private, no file: pages that are there */
	VMA_FILE = 2, /* private mapping of a file: pages that were written */
	VMA_VDSO = 3, /* all of it */
	VMA_SHARED_MEMORY = 4, /* shared: left out, as in CRIU's pre-dump */
	VMA_KERNEL = 5,        /* vvar, vsyscall, uprobes: never */
	VMA_DEVICE = 6,        /* a device's memory: never */
};
#define VMA_KINDS 7

struct vma {
	vaddr_t start;
	vaddr_t end;
	uint32_t prot; /* enum vma_prot */
	uint32_t dev_major, dev_minor;
	uint64_t offset; /* bytes into the file */
	uint64_t inode;
	const char *name; /* as in maps, \012 for newline; not terminated */
	size_t name_size;
};

enum vma_kind vma_kind(const struct vma *vma);
const char *vma_kind_name(enum vma_kind kind);
/* Do its pages, or some of them, belong into a copy? */
bool vma_is_wanted(const struct vma *vma);

#endif
