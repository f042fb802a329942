// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/pagemap_img.h"

#include "base/io.h"
#include "image/criu.pb-c.h"
#include "image/img.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define FLUSH_AT (64 << 10) /* bytes */

/* CRIU's flag for a run; a run that has no entry gives 0. */
static uint32_t entry_flags(const struct run *run)
{
	uint32_t lazy = run->flags & RUN_LAZY ? PAGEMAP_LAZY : 0;

	if (run->flags & (RUN_PRESENT | RUN_ZERO))
		return PAGEMAP_PRESENT | lazy;
	if (run->flags & RUN_PARENT)
		return PAGEMAP_PARENT;
	return lazy;
}

int pagemap_img_create_file(struct pagemap_img *img, int dir, const char *name,
			    uint32_t pages_id, uint32_t page_size)
{
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;
	char pages[32];

	*img = (struct pagemap_img){.page_size = page_size, .pages = -1};
	img->entries = img_create(dir, name);
	if (img->entries < 0)
		return -1;
	snprintf(pages, sizeof(pages), "pages-%" PRIu32 ".img", pages_id);
	img->pages = img_create(dir, pages);
	if (img->pages < 0)
		return -1;
	head.pages_id = pages_id;
	if (img_put_magic(&img->out, IMG_COMMON, IMG_PAGEMAP) < 0)
		return -1;
	return img_put(&img->out, &head.base);
}

int pagemap_img_create(struct pagemap_img *img, int dir, uint32_t id,
		       uint32_t pages_id, uint32_t page_size)
{
	char name[32];

	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", id);
	return pagemap_img_create_file(img, dir, name, pages_id, page_size);
}

static int flush(struct pagemap_img *img)
{
	size_t size = img->out.size;

	img->out.size = 0;
	return io_write(img->entries, img->out.data, size);
}

static int put_entry(struct pagemap_img *img, vaddr_t vaddr, uint32_t nr_pages)
{
	Criu__PagemapEntry entry = CRIU__PAGEMAP_ENTRY__INIT;

	entry.vaddr = vaddr;
	entry.compat_nr_pages = nr_pages;
	entry.has_flags = 1;
	entry.flags = img->last.flags;
	entry.has_nr_pages = 1;
	entry.nr_pages = nr_pages;
	if (img->out.size > FLUSH_AT && flush(img) < 0)
		return -1;
	return img_put(&img->out, &entry.base);
}

static int put_last(struct pagemap_img *img)
{
	vaddr_t vaddr = img->last.vaddr;
	uint32_t left = img->last.nr_pages;

	while (left) {
		uint32_t nr =
			left < PAGEMAP_ENTRY_MAX ? left : PAGEMAP_ENTRY_MAX;

		if (put_entry(img, vaddr, nr) < 0)
			return -1;
		vaddr += (uint64_t)nr * img->page_size;
		left -= nr;
	}
	img->last.nr_pages = 0;
	return 0;
}

int pagemap_img_add(struct pagemap_img *img, const struct run *run)
{
	struct run entry = *run;

	entry.flags = entry_flags(run);
	if (!entry.flags)
		return 0;
	if (entry.flags & PAGEMAP_PRESENT)
		img->nr_present += run->nr_pages;
	if (img->last.nr_pages && run_join(&img->last, &entry, img->page_size))
		return 0;
	if (put_last(img) < 0)
		return -1;
	img->last = entry;
	return 0;
}

int pagemap_img_data(struct pagemap_img *img, const void *data, size_t size)
{
	uint64_t offset = img->offset;

	img->offset += size;
	return io_pwrite(img->pages, data, size, offset);
}

void pagemap_img_hole(struct pagemap_img *img, uint64_t size)
{
	img->offset += size;
}

int pagemap_img_finish(struct pagemap_img *img)
{
	if (put_last(img) < 0 || flush(img) < 0 ||
	    ftruncate(img->pages, (off_t)img->offset) < 0)
		return -1;
	return fsync(img->pages) < 0 ? -1 : fsync(img->entries);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pagemap_img_release(struct pagemap_img *img)
{
	close_one(&img->entries);
	close_one(&img->pages);
	buf_release(&img->out);
}
