// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A pagemap read back: pagemap-PID.img, or pagemap-shmem-ID.img, whichever
 * CRIU from 3.17 to 4.2 wrote it.  Taken is only what can be understood: a
 * flag, a combination of flags or a field that is not known (newer CRIUs mark
 * compressed pages so), entries that do not ascend, counts that differ and a
 * file that is cut short are refused.
 */
#ifndef IMAGE_PAGEMAP_LIST_H
#define IMAGE_PAGEMAP_LIST_H

#include "vm/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CRIU's PE_ flags (criu/include/pagemap.h). */
enum pagemap_flag {
	PAGEMAP_PARENT = 1 << 0,
	PAGEMAP_LAZY = 1 << 1,
	PAGEMAP_PRESENT = 1 << 2,
};

struct pagemap_entry {
	vaddr_t vaddr; /* in shared memory: bytes into the object */
	uint64_t nr_pages;
	uint32_t flags;  /* enum pagemap_flag: one, or PRESENT and LAZY */
	uint64_t offset; /* bytes into pages-N.img, of a PRESENT one */
	uint64_t at;     /* bytes into the pagemap file, where it stands */
};

struct pagemap_list {
	uint32_t pages_id;
	uint64_t nr_present; /* pages */
	uint64_t nr_parent;  /* pages */
	struct pagemap_entry *entries;
	size_t nr;
	/* after a failure with EBADMSG, and only then: */
	const char *why;
	uint64_t at; /* bytes into the file */
};

/*
 * Reads dir's pagemap-ID.img.  -1 with errno; EBADMSG for a file that is no
 * pagemap, or one that is refused.
 */
int pagemap_list_read(struct pagemap_list *list, int dir, uint32_t id,
		      uint32_t page_size);
/* The same of any name. */
int pagemap_list_read_file(struct pagemap_list *list, int dir, const char *name,
			   uint32_t page_size);
void pagemap_list_release(struct pagemap_list *list);

/* The entry that holds vaddr, or NULL. */
const struct pagemap_entry *pagemap_list_find(const struct pagemap_list *list,
					      vaddr_t vaddr,
					      uint32_t page_size);

/*
 * Is there a page of run for which the list has neither bytes nor an entry
 * that leaves it to a parent?  Then *missing is the first one.
 */
bool pagemap_list_lacks(const struct pagemap_list *list, const struct run *run,
			uint32_t page_size, vaddr_t *missing);

#endif
