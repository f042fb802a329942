// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * mm-PID.img: the mappings of a process as CRIU has dumped them, ascending,
 * none over another.  What is not so is refused, and so is a file of more than
 * MM_IMG_MAX bytes.
 *
 * MADV_GUARD_INSTALL's regions, which CRIU 4.2 lists behind the mappings that
 * they lie in (criu/cr-dump.c, collect_mappings()), are left out: they are no
 * mappings, and have no pages.
 *
 * -1 with errno; EBADMSG for a file that is refused: then `why` says why.
 */
#ifndef IMAGE_MM_IMG_H
#define IMAGE_MM_IMG_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MM_IMG_MAX (32u << 20) /* bytes: some 700,000 mappings */

/* Those of CRIU's VMA_ bits that matter here (criu/include/image.h). */
enum mm_status {
	MM_VSYSCALL = 1 << 2,
	MM_VDSO = 1 << 3,
	MM_VVAR = 1 << 12,
	MM_AIORING = 1 << 13,
	MM_GUARD = 1 << 16,
};

struct mm_vma {
	vaddr_t start, end;
	uint32_t prot;   /* PROT_ of mmap(2) */
	uint32_t flags;  /* MAP_ of mmap(2) */
	uint32_t status; /* enum mm_status, and more */
};

struct mm_img {
	struct mm_vma *vmas;
	size_t nr;
	const char *why; /* after a failure with EBADMSG, and only then */
};

/* From dir's file, or from the bytes of one. */
int mm_img_read(struct mm_img *img, int dir, uint32_t pid, uint32_t page_size);
int mm_img_parse(struct mm_img *img, const void *data, size_t size,
		 uint32_t page_size);
void mm_img_release(struct mm_img *img);

/* The mapping that holds vaddr, or NULL. */
const struct mm_vma *mm_img_find(const struct mm_img *img, vaddr_t vaddr);

/*
 * Does `criu restore --lazy-pages` watch this mapping for faults?  As
 * vma_entry_can_be_lazy() in criu/include/vma.h, 4.2; older ones differ for
 * vvar alone, whose pages no image has.
 */
bool mm_vma_can_be_lazy(const struct mm_vma *vma);

#endif
