// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One restored memory: the userfaultfd of it, what is left of it, and who
 * waits for which page.  A process has one; fork makes another.
 */
#ifndef LAZYSERVE_MEMORY_H
#define LAZYSERVE_MEMORY_H

#include "lazyserve/images.h"
#include "lazyserve/left.h"

struct fault {
	vaddr_t vaddr; /* of the page */
	uint64_t ns;   /* when it was read */
};

struct memory {
	struct images *images;
	int uffd;
	bool forked;
	bool gone;
	struct left left;   /* what is to be given */
	struct left loaded; /* what restore has loaded, and is still there */
	struct fault *faults;
	size_t nr_faults, room;
	uint64_t fault_ns;  /* when the last one was read */
	vaddr_t near;       /* where pushing goes on */
	uint64_t pace;      /* pages of the next piece */
	uint64_t retry_ns;  /* nothing before then; 0: now */
	uint32_t in_flight; /* wishes */
};

/* Takes uffd.  NULL with ENOMEM: then it is still the caller's. */
struct memory *memory_new(struct images *images, int uffd);
struct memory *memory_fork(const struct memory *parent, int uffd);
/* Closes uffd: what was not given reads as zeros from now on. */
void memory_free(struct memory *memory);
/* The same, but for the descriptor and the wishes that are still out. */
void memory_empty(struct memory *memory);

int memory_add_fault(struct memory *memory, vaddr_t vaddr, uint64_t ns);
/* Those in the range are answered; tell is called for each. */
void memory_answer(struct memory *memory, vaddr_t vaddr, uint64_t size,
		   void (*tell)(void *of, const struct fault *), void *of);

#endif
