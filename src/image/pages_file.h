// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A pages-N.img to read from: pages back to back.  Its holes are found with
 * SEEK_DATA, so that zeros that take no space take no time either; the rest is
 * read ahead in pieces, as it stands in the order in which it is wanted.
 */
#ifndef IMAGE_PAGES_FILE_H
#define IMAGE_PAGES_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct pages_file {
	int fd;
	uint32_t page_size;
	uint64_t size;               /* bytes */
	char *window;                /* what is read ahead */
	uint64_t begin, end;         /* bytes of the file in it */
	uint64_t data_from, data_to; /* no hole in between */
	void *map;
};

/* Opens dir's pages-N.img; -1 with errno. */
int pages_file_open(struct pages_file *file, int dir, uint32_t pages_id,
		    uint32_t page_size);
void pages_file_close(struct pages_file *file);

/*
 * What stands at offset, nr_pages at most: at least one page, and how many.
 * *data is their bytes, until the next call; NULL where they are a hole.  -1
 * with errno, EBADMSG where the file ends.
 */
int64_t pages_file_next(struct pages_file *file, uint64_t offset,
			uint64_t nr_pages, const char **data);

/*
 * The pages at offset into data, where they are wanted in no order; holes as
 * zeros.  The same failures.
 */
int pages_file_read(const struct pages_file *file, uint64_t offset,
		    uint64_t nr_pages, char *data);

/*
 * All of it, mapped; NULL with errno.  To be handed to a system call, which
 * fails with EFAULT where the file has become shorter; whoever reads it
 * himself gets SIGBUS there.
 */
const char *pages_file_map(struct pages_file *file);

/*
 * How many of the pages at offset are alike: *hole, or data.  EBADMSG where
 * the file ends.
 */
int64_t pages_file_look(struct pages_file *file, uint64_t offset,
			uint64_t nr_pages, bool *hole);

#endif
