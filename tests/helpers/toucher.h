// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The pages of a toucher, and its images: which are LAZY, which restore has
 * loaded, which are holes of the pages file, and which no image knows.
 */
#ifndef TOUCHER_H
#define TOUCHER_H

#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "image/pagemap_img.h"
#include "image/summary_img.h"
#include "stamp.h"

enum { PID = 77, EDGE = 64 };

#define START ((char *)0x700000000000)

enum kind { LAZY, LOADED, HOLE, ABSENT };

static size_t page_size, nr_pages;

static inline enum kind kind_of(size_t i)
{
	return i % 64 == 3   ? LOADED
	       : i % 50 == 7 ? HOLE
	       : i % 97 == 5 ? ABSENT
			     : LAZY;
}

static inline char *page_of(size_t i)
{
	return START + i * page_size;
}

static inline void make_page(struct pagemap_img *img, size_t i, const char *how)
{
	struct run run = {(uintptr_t)page_of(i), 1, RUN_PRESENT | RUN_LAZY};
	static _Alignas(8) char page[1 << 16];
	enum kind kind = kind_of(i);
	int result;

	if (kind == ABSENT)
		return;
	if (kind == LOADED)
		run.flags = RUN_PRESENT;
	else if (!strcmp(how, "small"))
		run.flags = RUN_LAZY;
	else if (!strcmp(how, "child"))
		run.flags = RUN_PARENT;
	else if (kind == HOLE)
		run.flags = RUN_ZERO | RUN_LAZY;
	stamp_write(page, page_size, run.vaddr, 1);
	result = pagemap_img_add(img, &run);
	if (result == 0 && run.flags & RUN_PRESENT)
		result = pagemap_img_data(img, page, page_size);
	if (result == 0 && run.flags & RUN_ZERO)
		pagemap_img_hole(img, page_size);
	if (result < 0)
		err(1, "page %zu", i);
}

static inline void make(const char *path, const char *how)
{
	struct pagemap_img img;
	int dir;

	if (mkdir(path, 0700) < 0 ||
	    (dir = open(path, O_RDONLY | O_DIRECTORY)) < 0 ||
	    inventory_write(dir, 1000000) < 0 ||
	    pagemap_img_create(&img, dir, PID, 1, (uint32_t)page_size) < 0)
		err(1, "%s", path);
	for (size_t i = 0; i < nr_pages; i++)
		make_page(&img, i, how);
	if (pagemap_img_finish(&img) < 0)
		err(1, "%s", path);
	pagemap_img_release(&img);
}

#endif
