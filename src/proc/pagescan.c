// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/pagescan.h"

#include "proc/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* include/uapi/linux/fs.h; Debian 12's own headers are older than these. */
struct pm_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct pm_scan {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define PM_SCAN    _IOWR('f', 16, struct pm_scan)
#define PM_PROTECT (1 << 0) /* a flag: what is found, if it is registered */
#define PM_TRACKED (1 << 1) /* a flag: EPERM where it is not */
#define PM_WRITTEN (1 << 1)
#define PM_FILE    (1 << 2)
#define PM_PRESENT (1 << 3)
#define PM_SWAPPED (1 << 4)
#define PM_ZERO    (1 << 5)
#define PM_DIRTY   (1 << 7) /* soft-dirty */
#define PM_GUARD   (1 << 8) /* Linux 6.15 */

/* An entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE    (UINT64_C(1) << 61)
#define ENTRY_GUARD   (UINT64_C(1) << 58) /* Linux 6.15 */
#define ENTRY_DIRTY   (UINT64_C(1) << 55) /* soft-dirty */
#define ENTRY_PFN     ((UINT64_C(1) << 55) - 1)

/* What tells a page that was written, by enum pagescan_split. */
static const uint64_t written[] = {0, PM_DIRTY, PM_WRITTEN};

#define BUFFER_SIZE (32u << 10)
#define NR_ENTRIES  (BUFFER_SIZE / sizeof(uint64_t))
#define NR_REGIONS  (BUFFER_SIZE / sizeof(struct pm_region))

struct pagescan {
	void (*tick)(void *);
	void *tick_of;
	int fd;
	enum pagescan_method method;
	uint32_t page_size;
	enum pagescan_split split;
	uint64_t guard;    /* PM_GUARD where the kernel knows it */
	uint64_t zero_pfn; /* 0: not known, or hidden from us */
	enum vma_kind kind;
	vaddr_t at; /* scanned up to here */
	vaddr_t end;
	size_t taken; /* of the buffer */
	size_t filled;
	vaddr_t buffer_at; /* address of the buffer's first entry */
	union {            /* a buffer from the first use on */
		struct pm_region *regions; /* NR_REGIONS */
		uint64_t *entries;         /* NR_ENTRIES */
	};
};

/* Does the kernel take this category?  Tried on a range of no pages. */
static bool knows(const struct pagescan *scan, uint64_t category)
{
	struct pm_scan arg = {
		.size = sizeof(arg),
		.category_mask = category,
		.return_mask = category,
	};

	return ioctl(scan->fd, PM_SCAN, &arg) == 0;
}

/* The zero page's number, from a page of our own that was only read. */
static uint64_t find_zero_pfn(uint32_t page_size)
{
	uint64_t entry = 0;
	volatile char *page = mmap(NULL, page_size, PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = procfs_open(getpid(), 0, "pagemap");

	if (page == MAP_FAILED)
		return 0;
	(void)*page;
	if (pread(fd, &entry, sizeof(entry),
		  (off_t)((uintptr_t)page / page_size * sizeof(entry))) < 0)
		entry = 0;
	munmap((void *)page, page_size);
	if (fd >= 0)
		close(fd);
	return entry & ENTRY_PRESENT ? entry & ENTRY_PFN : 0;
}

static int choose(struct pagescan *scan, enum pagescan_method wanted)
{
	scan->method = wanted;
	if (wanted == PAGESCAN_AUTO)
		scan->method = knows(scan, PM_PRESENT) ? PAGESCAN_IOCTL
						       : PAGESCAN_PAGEMAP;
	else if (wanted == PAGESCAN_IOCTL && !knows(scan, PM_PRESENT)) {
		errno = ENOTTY;
		return -1;
	}
	if (scan->method == PAGESCAN_PAGEMAP)
		scan->zero_pfn = find_zero_pfn(scan->page_size);
	else if (knows(scan, PM_GUARD))
		scan->guard = PM_GUARD;
	return 0;
}

struct pagescan *pagescan_open(pid_t pid, pid_t tid,
			       enum pagescan_method method)
{
	struct pagescan *scan = calloc(1, sizeof(*scan));

	if (!scan)
		return NULL;
	scan->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	scan->fd = procfs_open(pid, tid, "pagemap");
	if (scan->fd < 0 || choose(scan, method) < 0) {
		pagescan_close(scan);
		return NULL;
	}
	return scan;
}

void pagescan_close(struct pagescan *scan)
{
	int error = errno;

	if (!scan)
		return;
	if (scan->fd >= 0)
		close(scan->fd);
	free(scan->entries);
	free(scan);
	errno = error;
}

enum pagescan_method pagescan_method(const struct pagescan *scan)
{
	return scan->method;
}

void pagescan_tick(struct pagescan *scan, void (*tick)(void *), void *of)
{
	scan->tick = tick;
	scan->tick_of = of;
}

void pagescan_split(struct pagescan *scan, enum pagescan_split split)
{
	scan->split = split;
}

bool pagescan_is_tracked(const struct pagescan *scan, vaddr_t vaddr)
{
	struct pm_region region;
	struct pm_scan arg = {
		.size = sizeof(arg),
		.flags = PM_TRACKED,
		.start = vaddr,
		.end = vaddr + scan->page_size,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_mask = PM_PRESENT,
		.return_mask = PM_PRESENT,
	};

	return ioctl(scan->fd, PM_SCAN, &arg) >= 0;
}

void pagescan_begin(struct pagescan *scan, enum vma_kind kind, vaddr_t start,
		    vaddr_t end)
{
	scan->kind = kind;
	scan->at = start;
	scan->end = end;
	scan->taken = 0;
	scan->filled = 0;
}

/* A run from start, no longer than its count can say. */
static struct run run_of(const struct pagescan *scan, vaddr_t start,
			 vaddr_t end, bool is_clean)
{
	uint64_t pages = (end - start) / scan->page_size;

	return (struct run){
		.vaddr = start,
		.nr_pages = pages > UINT32_MAX ? UINT32_MAX : (uint32_t)pages,
		.flags = is_clean ? RUN_PARENT : RUN_PRESENT,
	};
}

static int need_buffer(struct pagescan *scan)
{
	if (scan->tick)
		scan->tick(scan->tick_of);
	if (!scan->entries) {
		scan->entries = malloc(BUFFER_SIZE);
		if (scan->entries) /* or a search protects, and cannot tell */
			explicit_bzero(scan->entries, BUFFER_SIZE);
	}
	return scan->entries ? 0 : -1;
}

/*
 * A full buffer means that there is more: it begins where the last region
 * ends.  (The kernel's walk_end is stale when a scan that was not cut short
 * needed more than 512 regions.)
 */
static int fill_regions(struct pagescan *scan)
{
	uint64_t unwanted =
		PM_ZERO | scan->guard | (scan->kind == VMA_FILE ? PM_FILE : 0);
	struct pm_scan arg = {
		.size = sizeof(arg),
		.start = scan->at,
		.end = scan->end,
		.vec = (uintptr_t)scan->regions,
		.vec_len = NR_REGIONS,
		.category_inverted = unwanted,
		.category_mask = unwanted,
		.category_anyof_mask = PM_PRESENT | PM_SWAPPED,
		.flags = scan->split == PAGESCAN_WRITTEN ? PM_PROTECT : 0,
		.return_mask = PM_PRESENT | PM_SWAPPED | written[scan->split],
	};
	int nr;

	nr = ioctl(scan->fd, PM_SCAN, &arg);
	if (nr < 0)
		return -1;
	scan->taken = 0;
	scan->filled = (size_t)nr;
	scan->at = (size_t)nr == NR_REGIONS ? scan->regions[nr - 1].end
					    : scan->end;
	return 0;
}

/* The first region that is not taken up; 0: none left; -1. */
static int need_region(struct pagescan *scan)
{
	if (scan->taken < scan->filled)
		return 1;
	if (scan->at >= scan->end)
		return 0;
	if (need_buffer(scan) < 0 || fill_regions(scan) < 0)
		return -1;
	return scan->filled > 0;
}

static void take_up_to(struct pagescan *scan, vaddr_t end)
{
	struct pm_region *region = &scan->regions[scan->taken];

	region->start = end;
	if (region->start == region->end)
		scan->taken++;
}

static bool region_is_clean(const struct pagescan *scan,
			    const struct pm_region *region)
{
	return written[scan->split] &&
	       !(region->categories & written[scan->split]);
}

static int next_region(struct pagescan *scan, struct run *run)
{
	int result = need_region(scan);

	if (result > 0) {
		const struct pm_region *region = &scan->regions[scan->taken];

		*run = run_of(scan, region->start, region->end,
			      region_is_clean(scan, region));
		take_up_to(scan, run_end(run, scan->page_size));
	}
	return result;
}

static bool entry_is_wanted(const struct pagescan *scan, uint64_t entry)
{
	if (!(entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) || entry & ENTRY_GUARD)
		return false;
	if (scan->kind == VMA_FILE && entry & ENTRY_FILE)
		return false;
	return !(entry & ENTRY_PRESENT) || !scan->zero_pfn ||
	       (entry & ENTRY_PFN) != scan->zero_pfn;
}

static bool entry_is_clean(const struct pagescan *scan, uint64_t entry)
{
	return scan->split == PAGESCAN_SOFT_DIRTY && !(entry & ENTRY_DIRTY);
}

static int fill_entries(struct pagescan *scan)
{
	uint64_t pages = (scan->end - scan->at) / scan->page_size;
	size_t size = pages < NR_ENTRIES ? pages : NR_ENTRIES;
	ssize_t n = pread(
		scan->fd, scan->entries, size * sizeof(*scan->entries),
		(off_t)(scan->at / scan->page_size * sizeof(*scan->entries)));

	if (n < 0)
		return -1;
	if (n == 0) {
		errno = ESRCH; /* the address space has gone */
		return -1;
	}
	scan->buffer_at = scan->at;
	scan->taken = 0;
	scan->filled = (size_t)n / sizeof(*scan->entries);
	scan->at += scan->filled * scan->page_size;
	return 0;
}

static int next_entries(struct pagescan *scan, struct run *run)
{
	size_t first;
	bool is_clean;

	do {
		if (scan->taken == scan->filled) {
			if (scan->at >= scan->end)
				return 0;
			if (need_buffer(scan) < 0 || fill_entries(scan) < 0)
				return -1;
		}
		while (scan->taken < scan->filled &&
		       !entry_is_wanted(scan, scan->entries[scan->taken]))
			scan->taken++;
	} while (scan->taken == scan->filled);
	first = scan->taken;
	is_clean = entry_is_clean(scan, scan->entries[first]);
	while (scan->taken < scan->filled &&
	       entry_is_wanted(scan, scan->entries[scan->taken]) &&
	       entry_is_clean(scan, scan->entries[scan->taken]) == is_clean)
		scan->taken++;
	*run = run_of(scan, scan->buffer_at + first * scan->page_size,
		      scan->buffer_at + scan->taken * scan->page_size,
		      is_clean);
	return 1;
}

int pagescan_next(struct pagescan *scan, struct run *run)
{
	if (scan->kind == VMA_VDSO) {
		if (scan->at >= scan->end)
			return 0;
		*run = run_of(scan, scan->at, scan->end, false);
		scan->at = run_end(run, scan->page_size);
		return 1;
	}
	return scan->method == PAGESCAN_IOCTL ? next_region(scan, run)
					      : next_entries(scan, run);
}
