// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/pages_file.h"

#include "base/own.h"
#include "image/img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW (1u << 20) /* bytes */

int pages_file_open(struct pages_file *file, int dir, uint32_t pages_id,
		    uint32_t page_size)
{
	struct stat stat;
	char name[32];

	*file = (struct pages_file){.page_size = page_size, .fd = -1};
	snprintf(name, sizeof(name), "pages-%" PRIu32 ".img", pages_id);
	file->fd = img_open(dir, name);
	if (file->fd < 0 || fstat(file->fd, &stat) < 0)
		return -1;
	file->size = (uint64_t)stat.st_size;
	return 0;
}

void pages_file_close(struct pages_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->window);
	if (file->map)
		munmap(file->map, file->size);
	*file = (struct pages_file){.fd = -1};
}

static uint64_t whole_pages(const struct pages_file *file, uint64_t bytes)
{
	return bytes / file->page_size;
}

/* Behind the end of a file that was cut short there is no hole. */
static int check_size(const struct pages_file *file)
{
	struct stat stat;

	if (fstat(file->fd, &stat) < 0)
		return -1;
	if ((uint64_t)stat.st_size >= file->size)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Where the data at or behind offset begins and ends. */
static int find_data(struct pages_file *file, uint64_t offset)
{
	off_t from = lseek(file->fd, (off_t)offset, SEEK_DATA);
	off_t to;

	if (from < 0 && (errno != ENXIO || check_size(file) < 0))
		return -1;
	if (from < 0) /* a hole up to the end of the file */
		from = to = (off_t)file->size;
	else
		to = lseek(file->fd, from, SEEK_HOLE);
	if (to < 0)
		return -1;
	file->data_from = (uint64_t)from;
	file->data_to = (uint64_t)to;
	return 0;
}

/* Pages of the hole at offset; a page that is only partly one is data. */
static int64_t hole_at(struct pages_file *file, uint64_t offset)
{
	if (offset >= file->data_from && offset < file->data_to)
		return 0;
	if (find_data(file, offset) < 0)
		return -1;
	return file->data_from > offset
		       ? (int64_t)whole_pages(file, file->data_from - offset)
		       : 0;
}

static int fill_window(struct pages_file *file, uint64_t offset)
{
	ssize_t size;

	if (!file->window)
		file->window = malloc(WINDOW);
	if (!file->window)
		return -1;
	size = pread(file->fd, file->window, WINDOW, (off_t)offset);
	if (size < 0)
		return -1;
	file->begin = offset;
	file->end = offset + (uint64_t)size;
	return 0;
}

static int64_t smaller(uint64_t a, uint64_t b)
{
	return (int64_t)(a < b ? a : b);
}

static int64_t data_at(struct pages_file *file, uint64_t offset,
		       uint64_t nr_pages, const char **data)
{
	bool inside =
		offset >= file->begin && offset + file->page_size <= file->end;

	if (!inside && fill_window(file, offset) < 0)
		return -1;
	if (file->end < offset + file->page_size) {
		errno = EBADMSG;
		return -1;
	}
	*data = file->window + (offset - file->begin);
	return smaller(nr_pages, whole_pages(file, file->end - offset));
}

/* Pages of the data at offset: up to the hole behind them. */
static uint64_t pages_of_data(const struct pages_file *file, uint64_t offset,
			      uint64_t nr_pages)
{
	uint64_t bytes = file->data_to - offset + file->page_size - 1;

	return offset < file->data_to && whole_pages(file, bytes) < nr_pages
		       ? whole_pages(file, bytes)
		       : nr_pages;
}

const char *pages_file_map(struct pages_file *file)
{
	void *map = file->map;

	if (!map)
		map = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd,
			   0);
	if (map == MAP_FAILED)
		return NULL;
	file->map = map;
	return map;
}

int64_t pages_file_look(struct pages_file *file, uint64_t offset,
			uint64_t nr_pages, bool *hole)
{
	int64_t nr;

	errno = EBADMSG;
	nr = offset < file->size ? hole_at(file, offset) : -1;
	*hole = nr > 0;
	if (nr < 0)
		return -1;
	return *hole ? smaller(nr_pages, (uint64_t)nr)
		     : (int64_t)pages_of_data(file, offset, nr_pages);
}

int64_t pages_file_next(struct pages_file *file, uint64_t offset,
			uint64_t nr_pages, const char **data)
{
	int64_t hole;

	*data = NULL;
	if (offset >= file->size) {
		errno = EBADMSG;
		return -1;
	}
	hole = hole_at(file, offset);
	if (hole < 0)
		return -1;
	if (hole > 0)
		return smaller(nr_pages, (uint64_t)hole);
	return data_at(file, offset, nr_pages, data);
}

int pages_file_read(const struct pages_file *file, uint64_t offset,
		    uint64_t nr_pages, char *data)
{
	uint64_t left = nr_pages * file->page_size;

	while (left) {
		ssize_t n = pread(file->fd, data, left, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EBADMSG;
		if (n <= 0)
			return -1;
		data += n;
		offset += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return 0;
}
