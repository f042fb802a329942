// SPDX-License-Identifier: GPL-3.0-or-later
#include "vm/vma.h"

#include <string.h>

static bool name_is(const struct vma *vma, const char *name)
{
	return vma->name_size == strlen(name) &&
	       !memcmp(vma->name, name, vma->name_size);
}

static bool name_starts(const struct vma *vma, const char *name)
{
	return vma->name_size >= strlen(name) &&
	       !memcmp(vma->name, name, strlen(name));
}

/*
 * Only the name tells a device's memory from a file without smaps, which is
 * too slow (it walks page tables).  What is under /dev and is plain memory:
 */
static bool is_device(const struct vma *vma)
{
	return name_starts(vma, "/dev/") && !name_starts(vma, "/dev/zero") &&
	       !name_starts(vma, "/dev/shm/") &&
	       !name_starts(vma, "/dev/hugepages");
}

/* [vvar] and, from Linux 6.13, [vvar_vclock]; see vdso(7). */
static bool is_kernel(const struct vma *vma)
{
	return name_starts(vma, "[vvar") || name_is(vma, "[vsyscall]") ||
	       name_is(vma, "[uprobes]");
}

enum vma_kind vma_kind(const struct vma *vma)
{
	if (is_kernel(vma))
		return VMA_KERNEL;
	if (name_is(vma, "[vdso]"))
		return VMA_VDSO;
	if (vma->prot & VMA_SHARED)
		return VMA_SHARED_MEMORY;
	if (is_device(vma))
		return VMA_DEVICE;
	return vma->inode ? VMA_FILE : VMA_ANON;
}

const char *vma_kind_name(enum vma_kind kind)
{
	switch (kind) {
	case VMA_ANON:
		return "anon";
	case VMA_FILE:
		return "file";
	case VMA_VDSO:
		return "vdso";
	case VMA_SHARED_MEMORY:
		return "shared";
	case VMA_KERNEL:
		return "kernel";
	case VMA_DEVICE:
		return "device";
	}
	return "unknown";
}

bool vma_is_wanted(const struct vma *vma)
{
	enum vma_kind kind = vma_kind(vma);

	return kind == VMA_ANON || kind == VMA_FILE || kind == VMA_VDSO;
}
