// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/pagemap_img.h"

#include "base/io.h"
#include "base/own.h"
#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define FLUSH_AT (64 << 10) /* bytes */

/* CRIU's flag for a run; a run that has no entry gives 0. */
static uint32_t entry_flags(const struct run *run)
{
	if (run->flags & (RUN_PRESENT | RUN_ZERO))
		return PAGEMAP_PRESENT;
	if (run->flags & RUN_PARENT)
		return PAGEMAP_PARENT;
	return run->flags & RUN_LAZY ? PAGEMAP_LAZY : 0;
}

static int create(int dir, const char *kind, uint32_t number)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%" PRIu32 ".img", kind, number);
	return img_create(dir, name);
}

int pagemap_img_create(struct pagemap_img *img, int dir, uint32_t id,
		       uint32_t pages_id, uint32_t page_size)
{
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;

	*img = (struct pagemap_img){.page_size = page_size, .pages = -1};
	img->entries = create(dir, "pagemap", id);
	if (img->entries < 0)
		return -1;
	img->pages = create(dir, "pages", pages_id);
	if (img->pages < 0)
		return -1;
	head.pages_id = pages_id;
	if (img_put_magic(&img->out, IMG_COMMON, IMG_PAGEMAP) < 0)
		return -1;
	return img_put(&img->out, &head.base);
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
	if (entry.flags == PAGEMAP_PRESENT)
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
	img->offset += size;
	return io_write(img->pages, data, size);
}

int pagemap_img_hole(struct pagemap_img *img, uint64_t size)
{
	img->offset += size;
	return lseek(img->pages, (off_t)size, SEEK_CUR) < 0 ? -1 : 0;
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

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

/* What an entry means, whichever CRIU wrote it. */
static struct pagemap_entry meaning(const Criu__PagemapEntry *message)
{
	struct pagemap_entry entry = {
		.vaddr = message->vaddr,
		.nr_pages = message->has_nr_pages ? message->nr_pages
						  : message->compat_nr_pages,
		.flags = message->has_flags ? message->flags : PAGEMAP_PRESENT,
	};

	if (message->has_in_parent && message->in_parent)
		entry.flags = PAGEMAP_PARENT;
	return entry;
}

/* Room for one more: doubled at every power of two. */
static struct pagemap_entry *grow(const struct pagemap_list *list)
{
	if (list->nr & (list->nr - 1))
		return list->entries;
	return reallocarray(list->entries, list->nr ? 2 * list->nr : 1,
			    sizeof(*list->entries));
}

static int add_entry(struct pagemap_list *list, struct pagemap_entry entry,
		     uint32_t page_size)
{
	struct pagemap_entry *grown;
	const struct pagemap_entry *last;

	if (!entry.nr_pages || entry.vaddr % page_size ||
	    entry.nr_pages > (UINT64_MAX - entry.vaddr) / page_size)
		return bad();
	last = list->nr ? &list->entries[list->nr - 1] : NULL;
	if (last && entry.vaddr < last->vaddr + last->nr_pages * page_size)
		return bad();
	grown = grow(list);
	if (!grown)
		return -1;
	entry.offset = list->nr_present * page_size;
	if (entry.flags & PAGEMAP_PRESENT)
		list->nr_present += entry.nr_pages;
	list->entries = grown;
	list->entries[list->nr++] = entry;
	return 0;
}

static int parse_entries(struct pagemap_list *list, const char *at,
			 const char *end, uint32_t page_size)
{
	ProtobufCMessage *message;
	int result;

	while ((result = img_take(&at, end, &criu__pagemap_entry__descriptor,
				  &message)) > 0) {
		struct pagemap_entry entry =
			meaning((const Criu__PagemapEntry *)message);

		protobuf_c_message_free_unpacked(message, NULL);
		if (add_entry(list, entry, page_size) < 0)
			return -1;
	}
	return result;
}

static int parse(struct pagemap_list *list, const struct buf *file,
		 uint32_t page_size)
{
	const char *at = file->data;
	const char *end = at + file->size;
	ProtobufCMessage *head;

	if (img_take_magic(&at, end, IMG_COMMON, IMG_PAGEMAP) < 0)
		return -1;
	if (img_take(&at, end, &criu__pagemap_head__descriptor, &head) <= 0)
		return bad();
	list->pages_id = ((const Criu__PagemapHead *)head)->pages_id;
	protobuf_c_message_free_unpacked(head, NULL);
	return parse_entries(list, at, end, page_size);
}

int pagemap_list_read(struct pagemap_list *list, int dir, uint32_t id,
		      uint32_t page_size)
{
	struct buf file = {0};
	char name[32];
	int result;

	*list = (struct pagemap_list){0};
	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", id);
	result = img_read_file(dir, name, &file);
	if (result == 0)
		result = parse(list, &file, page_size);
	if (result < 0)
		pagemap_list_release(list);
	buf_release(&file);
	return result;
}

void pagemap_list_release(struct pagemap_list *list)
{
	int error = errno;

	free(list->entries);
	*list = (struct pagemap_list){0};
	errno = error;
}
