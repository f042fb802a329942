// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * sparse GIB STRIDE_MIB   a target: GIB of reserved address space with one
 * page of data in every STRIDE_MIB. Says "ready PID", ends at end of input.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t size, stride;
	char *room;

	if (argc != 3)
		errx(100, "sparse GIB STRIDE_MIB");
	size = strtoull(argv[1], NULL, 10) << 30;
	stride = strtoull(argv[2], NULL, 10) << 20;
	if (!size || !stride)
		errx(100, "both numbers are above 0");
	room = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		err(1, "mmap");
	madvise(room, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += stride)
		room[i] = 1;
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
