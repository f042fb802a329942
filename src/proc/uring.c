// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/uring.h"

#include "proc/maps.h"
#include "proc/procfs.h"
#include "proc/task.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_TRIES 50

static const char ring_name[] = "anon_inode:[io_uring]";

/* What has been found. */
struct rings {
	struct runlist *buffers;
	struct buf inodes; /* uint64_t, of those that have a descriptor */
};

static int add(struct runlist *out, uint64_t address, uint64_t size)
{
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	vaddr_t start = address - address % page_size;
	struct run run = {
		.vaddr = start,
		.nr_pages =
			(uint32_t)((address - start + size + page_size - 1) /
				   page_size),
		.flags = RUN_PRESENT,
	};
	struct runlist one = {.all = &run, .nr = 1};
	struct runlist both = {0};

	if (!run.nr_pages)
		return 0;
	if (runlist_unite(&both, out, &one, RUN_PRESENT, (uint32_t)page_size) <
	    0)
		return -1;
	runlist_release(out);
	*out = both;
	return 0;
}

/* "    0: 0x7f59c8b8e000/65536", or "<none>"; io_uring/fdinfo.c */
static int add_line(struct runlist *out, const char *line)
{
	char *end;
	uint64_t address;
	const char *at = strchr(line, ':');

	if (!at || strncmp(at, ": 0x", 4))
		return 0;
	address = strtoull(at + 2, &end, 16);
	return *end == '/' ? add(out, address, strtoull(end + 1, NULL, 10)) : 0;
}

/*
 * Behind "UserBufs:", with their number, a line for each.  EAGAIN: the ring is
 * in use right now, and the kernel says nothing of them, or not where they are
 * (it tries to take a lock).
 */
static int add_buffers(struct runlist *out, const char *text)
{
	const char *line = strstr(text, "\nUserBufs:");
	uint64_t nr = line ? strtoull(line + 10, NULL, 10) : 1;

	for (; nr; nr--) {
		line = line ? strchr(line + 1, '\n') : NULL;
		if (!line || line[1] != ' ') {
			errno = EAGAIN;
			return -1;
		}
		if (add_line(out, line + 1) < 0)
			return -1;
	}
	return 0;
}

/* "ino:\t5525755"; each ring has its own (Linux 5.14 and later). */
static int add_inode(struct rings *rings, const char *text)
{
	const char *line = strstr(text, "\nino:\t");
	uint64_t inode = line ? strtoull(line + 6, NULL, 10) : 0;

	return buf_append(&rings->inodes, &inode, sizeof(inode));
}

static int add_ring_once(pid_t pid, pid_t tid, const char *path,
			 struct rings *rings)
{
	struct buf text = {0};
	int result = procfs_read(pid, tid, path, &text);

	if (result == 0)
		result = add_buffers(rings->buffers, text.data);
	if (result == 0)
		result = add_inode(rings, text.data);
	else if (errno == ENOENT)
		result = 0; /* it has been closed */
	buf_release(&text);
	return result;
}

static int add_ring(pid_t pid, pid_t tid, int fd, struct rings *rings)
{
	struct timespec nap = {.tv_nsec = 100000};
	char path[32];

	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	for (int tries = 0; tries < RING_TRIES; tries++) {
		if (add_ring_once(pid, tid, path, rings) == 0)
			return 0;
		if (errno != EAGAIN)
			return -1;
		nanosleep(&nap, NULL);
	}
	errno = ENOTSUP;
	return -1;
}

static bool has_inode(const struct rings *rings, uint64_t inode)
{
	const uint64_t *inodes = (const uint64_t *)rings->inodes.data;

	for (size_t i = 0; i < rings->inodes.size / sizeof(inode); i++)
		if (!inodes[i] || inodes[i] == inode)
			return true;
	return false;
}

/* A ring may go on without: io_uring_register(2), IORING_REGISTER_RING_FDS. */
static int need_descriptors(const struct rings *rings, const char *maps)
{
	const char *at = maps;
	struct vma vma;

	while (maps_find(maps, &at, ring_name, &vma) > 0)
		if (!has_inode(rings, vma.inode)) {
			errno = ENOTSUP;
			return -1;
		}
	return 0;
}

int uring_buffers(pid_t pid, pid_t tid, const char *maps, struct runlist *out)
{
	struct rings rings = {.buffers = out};
	struct buf fds = {0};
	int result = task_descriptors(pid, tid, ring_name, &fds);

	for (size_t i = 0; result == 0 && i < fds.size / sizeof(int); i++)
		result = add_ring(pid, tid, ((int *)fds.data)[i], &rings);
	if (result == 0)
		result = need_descriptors(&rings, maps);
	buf_release(&rings.inodes);
	buf_release(&fds);
	return result;
}
