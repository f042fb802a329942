// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * An image directory and its parents, to read from.  Level 0 is the directory
 * itself, level 1 what its link `parent` points to, and so on.
 *
 *   level 0   PRESENT PARENT  PARENT          the authority: what it does not
 *   level 1           PRESENT PARENT PRESENT  name is not there, whatever its
 *   level 2                   PRESENT         parents hold
 *
 * A PARENT page must be held by some level, or the directory is bad.  One
 * pagemap file (and its pages-N.img) of all levels is open at a time.
 *
 * These functions fail with -1 and errno, and fault.text is then what cannot
 * be done; with EBADMSG it is what is wrong with which file, and where.
 */
#ifndef IMAGE_CHAIN_H
#define IMAGE_CHAIN_H

#include "image/pagemap_list.h"
#include "image/pages_file.h"

#include <limits.h>
#include <stdbool.h>

struct chain_fault {
	char text[PATH_MAX + 256];
};

struct chain_level {
	int dir;
	char *path; /* for messages */
	uint64_t dev, ino;
	bool opened; /* its pagemap and pages are those of now */
	struct pagemap_list list;
	struct pages_file pages;
};

struct chain {
	uint32_t page_size;
	struct chain_level *levels;
	size_t nr;
	char name[64];    /* of the pagemap file that is open */
	const char *ends; /* why the last level has no parent */
	struct chain_fault fault;
};

/* Pages in a row that one level holds. */
struct chain_piece {
	struct chain_level *level;
	uint64_t offset; /* bytes into its pages file */
	uint64_t nr_pages;
};

/* A directory that is not whole is bad; so is a loop of parents. */
int chain_open(struct chain *chain, const char *path);
void chain_close(struct chain *chain);

/*
 * Opens the pagemap file of that name, of level 0 and of as many parents as
 * its entries need.  Pages files that are too short are found here.
 */
int chain_load(struct chain *chain, const char *name, uint32_t page_size);

/*
 * Of the PARENT pages from vaddr on, nr_pages at most: which level holds the
 * first ones.  entry is the one of level 0, for the message.
 */
int chain_resolve(struct chain *chain, const struct pagemap_entry *entry,
		  vaddr_t vaddr, struct chain_piece *piece);

/* Is every PARENT page of level 0 held by a level? */
int chain_check(struct chain *chain);

/* Sets fault.text, and errno to EBADMSG; gives back -1. */
int chain_bad(struct chain *chain, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
