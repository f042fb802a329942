// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A mapping of the process that stamps its own pages, and a record of what
 * each page should hold.  Functions return 0, or -1 with errno.
 */
#ifndef REGION_H
#define REGION_H

#include "stamp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	REGION_RW = PROT_READ | PROT_WRITE,
	REGION_HUGE = 2 << 20,      /* bytes; x86, and arm64 with 4 KiB pages */
	REGION_GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL, Linux 6.13 */
};

enum page_state {
	PAGE_UNKNOWN, /* never written, or dropped */
	PAGE_STAMPED,
	PAGE_ZERO,  /* zeros were written */
	PAGE_WRONG, /* did not hold what it should; until it is written anew */
	PAGE_GUARD, /* any access is SIGSEGV */
	PAGE_OFF,   /* unmapped, or not ours to touch */
};

struct page {
	uint32_t seq; /* of the last stamp; only rises */
	enum page_state state;
};

struct region {
	const char *name;
	char *start;
	size_t bytes;
	size_t page_size;
	size_t nr_pages; /* in the record; 0: bytes without a record */
	struct page *pages;
	int prot;
	bool alternate; /* every second page is rw, whatever prot says */
	bool shared;    /* mapped MAP_SHARED */
	int fd;         /* the file behind it while it is made, or -1 */
};

static inline char *region_page(const struct region *r, size_t i)
{
	return r->start + i * r->page_size;
}

static inline void region_stamp(struct region *r, size_t i)
{
	char *page = region_page(r, i);

	r->pages[i].state = PAGE_STAMPED;
	stamp_write(page, r->page_size, (uintptr_t)page, ++r->pages[i].seq);
}

/* Also finds a whole page of an older seq: a write that got lost. */
static inline bool region_page_right(struct region *r, size_t i)
{
	const char *page = region_page(r, i);
	enum stamp_verdict verdict;
	bool right;

	verdict = stamp_check(page, r->page_size, (uintptr_t)page);
	if (r->pages[i].state == PAGE_ZERO)
		right = verdict == STAMP_ZERO;
	else
		right = r->pages[i].state == PAGE_STAMPED &&
			verdict == STAMP_GOOD &&
			stamp_seq(page) == r->pages[i].seq;
	if (!right)
		r->pages[i].state = PAGE_WRONG;
	return right;
}

/* call is mprotect or madvise; pages that are OFF are left out. */
static inline int region_call(const struct region *r,
			      int (*call)(void *, size_t, int), int value)
{
	if (!r->nr_pages)
		return call(r->start, r->bytes, value);
	for (size_t end, i = 0; i < r->nr_pages; i = end + 1) {
		end = i;
		while (end < r->nr_pages && r->pages[end].state != PAGE_OFF)
			end++;
		if (end > i &&
		    call(region_page(r, i), (end - i) * r->page_size, value))
			return -1;
	}
	return 0;
}

/* Gives it the protection that it is known for. */
static inline int region_protect(const struct region *r)
{
	if (region_call(r, mprotect, r->prot))
		return -1;
	for (size_t i = 1; r->alternate && i < r->nr_pages; i += 2)
		if (r->pages[i].state != PAGE_OFF &&
		    mprotect(region_page(r, i), r->page_size, REGION_RW))
			return -1;
	return 0;
}

/* text is none, r or rw; from now on for all of it. */
static inline int region_set_prot(struct region *r, const char *text)
{
	static const char *const names[] = {"none", "r", "w", "rw"};

	for (int prot = PROT_NONE; text && prot <= REGION_RW; prot++)
		if (!strcmp(text, names[prot])) {
			r->prot = prot;
			r->alternate = false;
			return region_protect(r);
		}
	errno = EINVAL;
	return -1;
}

/* Makes it accessible to ourselves, until region_close with the same prot. */
static inline int region_open(const struct region *r, int prot)
{
	return (r->prot & prot) == prot ? 0 : region_call(r, mprotect, prot);
}

static inline int region_close(const struct region *r, int prot)
{
	return (r->prot & prot) == prot ? 0 : region_protect(r);
}

/*
 * Maps r->bytes, and r->fd if it is not -1, or takes them from sbrk if flags is
 * 0. Inaccessible edges on both sides: no neighbour ever merges with it.
 */
static inline int region_map(struct region *r, int flags)
{
	size_t edge = r->bytes < REGION_HUGE ? r->page_size : REGION_HUGE;
	int prot = flags & MAP_NORESERVE ? PROT_NONE : REGION_RW;
	char *room;

	room = flags ? mmap(NULL, r->bytes + 2 * edge, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		     : sbrk((intptr_t)(r->bytes + edge));
	if (room == MAP_FAILED)
		return -1;
	r->start = room + edge - (uintptr_t)room % edge;
	if (!flags)
		return 0;
	if (r->fd >= 0 && ftruncate(r->fd, (off_t)r->bytes))
		return -1;
	room = mmap(r->start, r->bytes, prot, flags | MAP_FIXED, r->fd, 0);
	return room == MAP_FAILED ? -1 : 0;
}

/*
 * The record, and a stamp on every stride-th page; 0: on none. Huge pages would
 * put zeros between the stamps.
 */
static inline int region_fill(struct region *r, size_t stride)
{
	r->nr_pages = r->bytes / r->page_size;
	r->pages = calloc(r->nr_pages, sizeof(*r->pages));
	// NOLINTNEXTLINE(analyzer-malloc-leak): r has them
	if (!r->pages)
		return -1;
	if (stride != 1)
		madvise(r->start, r->bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; stride && i < r->nr_pages; i += stride)
		region_stamp(r, i);
	return 0;
}

/* Maps what a read maps: the file's page, or the kernel's zero page. */
static inline int region_read(struct region *r)
{
	for (size_t i = 0; i < r->nr_pages; i++)
		(void)*(volatile char *)region_page(r, i);
	return 0;
}

/* Over the stamped file: odd pages stay the file's, even ones get private. */
static inline int region_make_private(struct region *r)
{
	if (mmap(r->start, r->bytes, REGION_RW, MAP_PRIVATE | MAP_FIXED, r->fd,
		 0) == MAP_FAILED)
		return -1;
	region_read(r);
	for (size_t i = 0; i < r->nr_pages; i += 2)
		region_stamp(r, i);
	r->shared = false;
	return 0;
}

/* Huge pages come at the first write, so the advice goes first. */
static inline int region_make_huge(struct region *r)
{
	if (madvise(r->start, r->bytes, MADV_HUGEPAGE))
		return -1;
	for (size_t i = 0; i < r->nr_pages; i++)
		region_stamp(r, i);
	return 0;
}

/* Guard pages at every second place. */
static inline int region_make_guards(struct region *r)
{
	for (size_t i = 1; i < r->nr_pages; i += 2) {
		if (madvise(region_page(r, i), r->page_size,
			    REGION_GUARD_INSTALL))
			return -1;
		r->pages[i].state = PAGE_GUARD;
	}
	return 0;
}

static inline int region_restamp(struct region *r, size_t i)
{
	if (i >= r->nr_pages || r->pages[i].state >= PAGE_GUARD) {
		errno = EINVAL;
		return -1;
	}
	if (region_open(r, REGION_RW))
		return -1;
	region_stamp(r, i);
	return region_close(r, REGION_RW);
}

static inline int region_zero(struct region *r)
{
	if (!r->nr_pages) {
		errno = EINVAL;
		return -1;
	}
	if (region_open(r, REGION_RW))
		return -1;
	for (size_t i = 0; i < r->nr_pages; i++) {
		if (r->pages[i].state >= PAGE_GUARD)
			continue;
		memset(region_page(r, i), 0, r->page_size);
		r->pages[i].state = PAGE_ZERO;
	}
	return region_close(r, REGION_RW);
}

static inline int region_unmap(struct region *r, size_t first, size_t count)
{
	size_t all = r->bytes / r->page_size;

	if (first >= all || !count || count > all - first) {
		errno = EINVAL;
		return -1;
	}
	if (munmap(region_page(r, first), count * r->page_size))
		return -1;
	for (size_t i = first; i < first + count && i < r->nr_pages; i++)
		r->pages[i].state = PAGE_OFF;
	return 0;
}

/* Private pages are lost, shared ones keep what they held. */
static inline int region_drop(struct region *r)
{
	if (region_call(r, madvise, MADV_DONTNEED))
		return -1;
	for (size_t i = 0; !r->shared && i < r->nr_pages; i++)
		if (r->pages[i].state < PAGE_GUARD)
			r->pages[i].state = PAGE_UNKNOWN;
	return 0;
}

struct tally {
	size_t right, wrong;
	uint64_t first_wrong; /* vaddr */
};

static inline int region_check(struct region *r, struct tally *tally)
{
	if (region_open(r, PROT_READ))
		return -1;
	for (size_t i = 0; i < r->nr_pages; i++) {
		if (r->pages[i].state == PAGE_UNKNOWN ||
		    r->pages[i].state >= PAGE_GUARD)
			continue;
		if (region_page_right(r, i))
			tally->right++;
		else if (!tally->wrong++)
			tally->first_wrong = (uintptr_t)region_page(r, i);
	}
	return region_close(r, PROT_READ);
}

#endif
