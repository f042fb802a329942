// SPDX-License-Identifier: GPL-3.0-or-later
/* Mutators of memory: none of them returns. */
#ifndef MUTATOR_MEMORY_H
#define MUTATOR_MEMORY_H

#include "mutator.h"

#include <alloca.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum {
	PAGES = 1024,      /* of most areas */
	GUARD_ADD = 102,   /* MADV_GUARD_INSTALL, Linux 6.13 */
	GUARD_REMOVE = 103 /* MADV_GUARD_REMOVE */
};

/* Some pages in a row, at random. */
struct piece {
	char *start;
	size_t bytes;
};

static struct piece piece_of(struct mutator *m, char *area, size_t max_pages)
{
	size_t pages = 1 + draw_below(m, max_pages);
	size_t first = draw_below(m, PAGES - pages);

	return (struct piece){area + first * m->page_size,
			      pages * m->page_size};
}

static void mutate_store(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		turn_begin(m);
		for (int i = 0; i < 16; i++)
			scribble(m, area, PAGES);
	}
}

static char *map_huge(size_t number)
{
	char *area = must_map_anon(NULL, (number + 1) * MUTATOR_HUGE);

	area += MUTATOR_HUGE - (uintptr_t)area % MUTATOR_HUGE;
	madvise(area, number * MUTATOR_HUGE, MADV_HUGEPAGE);
	return area;
}

/* Transparent huge pages: one word, all of one, dropped, split, collapsed. */
static void mutate_thp(struct mutator *m)
{
	enum { NUMBER = 4, COLLAPSE = 25 };
	char *area = map_huge(NUMBER);

	for (;; turn_end(m)) {
		char *one;

		turn_begin(m);
		one = area + draw_below(m, NUMBER) * MUTATOR_HUGE;
		switch (draw_below(m, 16)) {
		case 0:
			madvise(one, MUTATOR_HUGE, MADV_DONTNEED);
			break;
		case 1:
			madvise(one + m->page_size, m->page_size,
				MADV_DONTNEED);
			break;
		case 2:
			madvise(one, MUTATOR_HUGE, COLLAPSE);
			break;
		case 3: /* reads: the huge zero page */
			madvise(one, MUTATOR_HUGE, MADV_DONTNEED);
			*(volatile char *)one;
			break;
		default:
			scribble(m, one, MUTATOR_HUGE / m->page_size);
		}
	}
}

/* Dropped, then read (the zero page), written, or left. */
static void mutate_drop(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		piece = piece_of(m, area, 32);
		if (madvise(piece.start, piece.bytes, MADV_DONTNEED) < 0)
			err(1, "MADV_DONTNEED");
		if (draw_below(m, 3) == 0)
			*(volatile char *)piece.start;
		else
			for (int i = 0; i < 8; i++)
				scribble(m, area, PAGES);
	}
}

/* Grows, shrinks, moves, also on top of what was elsewhere before. */
static void mutate_move(struct mutator *m)
{
	size_t step = 64 * m->page_size;
	size_t bytes = step;
	char *room = must_map_anon(NULL, 32 * step);
	char *area = room;

	for (;; turn_end(m)) {
		char *to;

		turn_begin(m);
		if (m->turns == 1) /* not before: others are to be made */
			munmap(area + bytes, 32 * step - bytes);
		for (int i = 0; i < 4; i++)
			scribble(m, area, bytes / m->page_size);
		if (draw_below(m, 8))
			continue;
		bytes = step * (1 + draw_below(m, 8));
		to = area == room ? room + 16 * step : room;
		area = mremap(area, step, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			      to);
		if (area == MAP_FAILED)
			err(1, "mremap");
		fill(m, area, bytes);
		munmap(area + step, bytes - step);
		bytes = step;
	}
}

/* Two areas change places, with what is in them: no store, no fault. */
static void mutate_swap_places(struct mutator *m)
{
	size_t bytes = 64 * m->page_size;
	char *all = must_map_anon(NULL, 3 * bytes);

	fill(m, all, 2 * bytes);
	for (;; turn_end(m)) {
		static const int order[3][2] = {{0, 2}, {1, 0}, {2, 1}};

		turn_begin(m);
		for (int i = 0; i < 3; i++)
			if (mremap(all + (size_t)order[i][0] * bytes, bytes,
				   bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				   all + (size_t)order[i][1] * bytes) ==
			    MAP_FAILED)
				err(1, "mremap");
	}
}

static void mutate_unmap(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		piece = piece_of(m, area, 32);
		if (draw_below(m, 2))
			munmap(piece.start, piece.bytes);
		must_map_anon(piece.start, piece.bytes);
		fill(m, piece.start, piece.bytes);
	}
}

static void mutate_protect(struct mutator *m)
{
	static const int prots[] = {PROT_NONE, PROT_READ, MUTATOR_RW};
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	fill(m, area, PAGES * m->page_size);
	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		piece = piece_of(m, area, 8);
		mprotect(piece.start, piece.bytes, MUTATOR_RW);
		fill(m, piece.start, piece.bytes);
		mprotect(piece.start, piece.bytes, prots[draw_below(m, 3)]);
	}
}

/* glibc's malloc has threads use areas of their own: the heap's end is ours. */
static void mutate_brk(struct mutator *m)
{
	size_t step = 16 * m->page_size;
	char *low = sbrk((intptr_t)step);
	size_t now = 1;

	for (;; turn_end(m)) {
		size_t wanted;

		turn_begin(m);
		wanted = 1 + draw_below(m, 16);
		if (sbrk(((intptr_t)wanted - (intptr_t)now) * (intptr_t)step) ==
		    (void *)-1)
			err(1, "sbrk");
		if (wanted > now)
			fill(m, low + now * step, (wanted - now) * step);
		now = wanted;
		scribble(m, low, now * step / m->page_size);
	}
}

static void grow_stack(struct mutator *m, size_t bytes)
{
	volatile char *room = alloca(bytes);

	for (size_t at = 0; at < bytes; at += m->page_size)
		room[at] = (char)draw(m);
}

/* A mapping that grows down as a first stack does. */
static void mutate_growsdown(struct mutator *m)
{
	size_t most = 256 * m->page_size;
	char *top = (char *)must_map_anon(NULL, 2 * most) + 2 * most;
	char *low = top - m->page_size;

	for (;; turn_end(m)) {
		turn_begin(m);
		if (draw_below(m, 16) == 0) {
			munmap(top - 2 * most, 2 * most);
			low = must_map(top - m->page_size, m->page_size,
				       MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
		}
		if (low > top - most) {
			low -= m->page_size;
			*(uint64_t *)low = draw(m);
		}
		scribble(m, low, (size_t)(top - low) / m->page_size);
		grow_stack(m, draw_below(m, 64) * m->page_size);
	}
}

static int open_scratch(size_t bytes, char filling)
{
	char path[] = "/tmp/mutator.XXXXXX";
	char *page = malloc(bytes);
	int fd = mkostemp(path, O_CLOEXEC);

	unlink(path);
	memset(page, filling, bytes);
	if (fd < 0 || write(fd, page, bytes) != (ssize_t)bytes)
		err(1, "%s", path);
	free(page);
	return fd;
}

/* Private pages of a file: made, dropped, read again: the file's once more. */
static void mutate_file(struct mutator *m)
{
	size_t bytes = PAGES * m->page_size;
	int fd = open_scratch(bytes, 'f');
	char *area = must_map(NULL, bytes, 0, fd);

	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		piece = piece_of(m, area, 16);
		mprotect(area, bytes, MUTATOR_RW);
		switch (draw_below(m, 8)) {
		case 0:
			madvise(piece.start, piece.bytes, MADV_DONTNEED);
			break;
		case 1:
			madvise(piece.start, piece.bytes, MADV_DONTNEED);
			*(volatile char *)piece.start;
			break;
		case 2:
			madvise(piece.start, piece.bytes, MADV_DONTNEED);
			fill(m, piece.start, piece.bytes);
			break;
		case 3:
			mprotect(area, bytes, PROT_READ);
			break;
		default:
			for (int i = 0; i < 8; i++)
				scribble(m, area, PAGES);
		}
	}
}

/* A file that loses its end, and private pages of it with that. */
static void mutate_truncate(struct mutator *m)
{
	enum { FILE_PAGES = 64 };
	size_t bytes = FILE_PAGES * m->page_size;
	int fd = open_scratch(bytes, 't');
	char *area = must_map(NULL, bytes, 0, fd);

	for (;; turn_end(m)) {
		turn_begin(m);
		for (int i = 0; i < 4; i++)
			scribble(m, area, FILE_PAGES);
		if (draw_below(m, 8))
			continue;
		if (ftruncate(fd, (off_t)(bytes / 2)) < 0 ||
		    ftruncate(fd, (off_t)bytes) < 0)
			err(1, "ftruncate");
		*(volatile char *)(area + bytes - m->page_size);
	}
}

/* Also dropped, which leaves markers where there was a page. */
static void mutate_hugetlb(struct mutator *m)
{
	enum { NUMBER = 2 };
	size_t bytes = NUMBER * MUTATOR_HUGE;
	char *area = must_map(
		NULL, bytes, MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT,
		-1);

	for (;; turn_end(m)) {
		char *one;

		turn_begin(m);
		one = area + draw_below(m, NUMBER) * MUTATOR_HUGE;
		switch (draw_below(m, 16)) {
		case 0:
			madvise(one, MUTATOR_HUGE, MADV_DONTNEED);
			break;
		case 1:
			madvise(one, MUTATOR_HUGE, MADV_DONTNEED);
			*(volatile char *)one;
			break;
		default:
			scribble(m, one, MUTATOR_HUGE / m->page_size);
		}
	}
}

/* Pages are shared with the child, and copied by the next store. */
static void mutate_fork(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	fill(m, area, PAGES * m->page_size);
	for (;; turn_end(m)) {
		pid_t child;

		turn_begin(m);
		child = fork();
		if (child == 0) {
			for (int i = 0; i < 8; i++)
				scribble(m, area, PAGES);
			_exit(0);
		}
		for (int i = 0; i < 64; i++)
			scribble(m, area, PAGES);
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

static void mutate_pageout(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	fill(m, area, PAGES * m->page_size);
	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		piece = piece_of(m, area, 64);
		madvise(piece.start, piece.bytes, MADV_PAGEOUT);
		for (int i = 0; i < 8; i++)
			scribble(m, area, PAGES);
		piece = piece_of(m, area, 64);
		if (draw_below(m, 2))
			madvise(piece.start, piece.bytes, MADV_DONTNEED);
	}
}

static void mutate_free(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		for (int i = 0; i < 32; i++)
			scribble(m, area, PAGES);
		piece = piece_of(m, area, 64);
		madvise(piece.start, piece.bytes, MADV_FREE);
		if (draw_below(m, 2)) /* takes what was given up */
			madvise(piece.start, piece.bytes, MADV_PAGEOUT);
	}
}

static void mutate_guard(struct mutator *m)
{
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		struct piece piece;

		turn_begin(m);
		madvise(area, PAGES * m->page_size, GUARD_REMOVE);
		for (int i = 0; i < 32; i++)
			scribble(m, area, PAGES);
		piece = piece_of(m, area, 32);
		madvise(piece.start, piece.bytes, GUARD_ADD);
	}
}

/* Stores that the kernel does: read, readv, a clock, another's hand. */
static void mutate_kernel(struct mutator *m)
{
	int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	char *area = must_map_anon(NULL, PAGES * m->page_size);

	for (;; turn_end(m)) {
		struct piece piece;
		uint64_t word;
		struct iovec here = {&word, sizeof(word)};
		struct iovec there;

		turn_begin(m);
		piece = piece_of(m, area, 4);
		word = draw(m);
		there = (struct iovec){piece.start + m->page_size / 2,
				       sizeof(word)};
		if (draw_below(m, 2))
			process_vm_writev(getpid(), &here, 1, &there, 1, 0);
		else if (read(random, piece.start, piece.bytes) < 0)
			err(1, "read");
	}
}

#endif
