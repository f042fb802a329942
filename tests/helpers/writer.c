// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * writer MIB   a target that writes when it is told to: each line of input is
 * a share of its pages in tenths of a percent, and is answered by
 * "ok PAGES NS", how many it wrote to, here and there, and how long that took.
 * Says "anon START END" (hex) and "ready PID" first.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

/* An odd step through a power of two comes to each place once. */
static void write_some(char *room, size_t pages, size_t nr, size_t page_size)
{
	static size_t at;

	for (size_t i = 0; i < nr; i++) {
		at = (at + 0x9e3779b1) & (pages - 1);
		room[at * page_size]++;
	}
}

int main(int argc, char **argv)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = argc == 2 ? strtoull(argv[1], NULL, 10) << 20 : 0;
	size_t pages = size / page_size;
	char line[32];
	char *room;

	if (!size || size & (size - 1))
		errx(100, "writer MIB, which is a power of 2");
	room = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		err(1, "mmap");
	madvise(room, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages; i++)
		room[i * page_size] = 1;
	printf("anon %lx %lx\nready %d\n", (unsigned long)room,
	       (unsigned long)room + size, getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		size_t nr = pages * strtoull(line, NULL, 10) / 1000;
		uint64_t began = clock_ns();

		write_some(room, pages, nr, page_size);
		printf("ok %zu %llu\n", nr,
		       (unsigned long long)(clock_ns() - began));
		fflush(stdout);
	}
	return 0;
}
