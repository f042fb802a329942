// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * limit MODE PID START END [FILE]   the least that a copy can cost.
 *
 * Reads the target's memory from START to END (hex) with process_vm_readv, in
 * pieces of 256 KiB, the size that stays in the cache:
 *
 *   read    into one buffer, and throws it away
 *   copy    into FILE, mapped, which allocate has made
 *   write   into one buffer, and from there with write into FILE, a new one
 *
 * or, reading nothing:
 *
 *   allocate  makes FILE of that size, with all of its memory
 *
 * Prints "WALL_NANOSECONDS CPU_NANOSECONDS" of the loop alone: without the
 * process's start and end, and the end of a mapping that is as large as the
 * target.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10) /* bytes */

enum { USAGE = 100 };

static const char usage[] =
	"limit read|copy|write|allocate PID START END [FILE]";

struct work {
	pid_t pid;
	uint64_t start; /* in the target */
	size_t size;
	char *data;
	size_t step; /* 0: every piece goes to the same place */
	int file;    /* where it goes from there, or -1 */
};

static uint64_t clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *map(size_t size, int flags, int fd)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (data == MAP_FAILED)
		err(1, "mmap");
	return data;
}

static void map_buffer(struct work *work)
{
	work->data = map(PIECE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
}

/* fallocate leaves the zeroing to the first touch. */
static void allocate(const struct work *work, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || fallocate(fd, 0, 0, (off_t)work->size) < 0)
		err(1, "%s", path);
	map(work->size, MAP_SHARED | MAP_POPULATE, fd);
}

static void map_file(struct work *work, const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		err(1, "%s", path);
	work->data = map(work->size, MAP_SHARED, fd);
	work->step = PIECE;
	close(fd);
}

static void open_file(struct work *work, const char *path)
{
	work->file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (work->file < 0)
		err(1, "%s", path);
}

static void copy_piece(const struct work *work, size_t at)
{
	size_t left = work->size - at;
	struct iovec local = {work->data + at / PIECE * work->step,
			      left < PIECE ? left : PIECE};
	struct iovec remote = {(void *)(work->start + at), local.iov_len};

	if (process_vm_readv(work->pid, &local, 1, &remote, 1, 0) !=
	    (ssize_t)local.iov_len)
		err(1, "process_vm_readv");
	if (work->file >= 0 && write(work->file, local.iov_base,
				     local.iov_len) != (ssize_t)local.iov_len)
		err(1, "write");
}

static void prepare(struct work *work, const char *mode, const char *path)
{
	bool read = !strcmp(mode, "read") && !path;
	bool copy = !strcmp(mode, "copy") && path;
	bool write = !strcmp(mode, "write") && path;

	if (!read && !copy && !write)
		errx(USAGE, "%s", usage);
	if (copy)
		map_file(work, path);
	else
		map_buffer(work);
	if (write)
		open_file(work, path);
}

int main(int argc, char **argv)
{
	struct work work = {.file = -1};
	uint64_t wall, cpu;

	if (argc < 5)
		errx(USAGE, "%s", usage);
	work.pid = (pid_t)strtol(argv[2], NULL, 10);
	work.start = strtoull(argv[3], NULL, 16);
	work.size = strtoull(argv[4], NULL, 16) - work.start;
	if (!strcmp(argv[1], "allocate") && argv[5]) {
		allocate(&work, argv[5]);
		return 0;
	}
	prepare(&work, argv[1], argv[5]);

	wall = clock_read(CLOCK_MONOTONIC);
	cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t at = 0; at < work.size; at += PIECE)
		copy_piece(&work, at);
	cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = clock_read(CLOCK_MONOTONIC) - wall;
	printf("%" PRIu64 " %" PRIu64 "\n", wall, cpu);
	return 0;
}
