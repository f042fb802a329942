// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/pagemap_list.h"

#include "base/io.h"
#include "base/own.h"
#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE       65536 /* bytes that are read at a time */
#define MESSAGE_MAX 4096  /* bytes of a head, or of an entry */
#define MEMORY_MAX  65536 /* and as it is unpacked */

static int bad(struct pagemap_list *list, const char *why)
{
	list->why = why;
	errno = EBADMSG;
	return -1;
}

/* As CRIU's init_compat_pagemap_entry(): in_parent is older than flags. */
static uint32_t flags_of(const Criu__PagemapEntry *message)
{
	uint32_t flags = message->has_flags ? message->flags : 0;

	if (message->has_in_parent && message->in_parent)
		return flags | PAGEMAP_PARENT;
	return message->has_flags ? flags : PAGEMAP_PRESENT;
}

static int check_flags(struct pagemap_list *list, uint32_t flags)
{
	switch (flags) {
	case PAGEMAP_PARENT:
	case PAGEMAP_LAZY:
	case PAGEMAP_PRESENT:
	case PAGEMAP_PRESENT | PAGEMAP_LAZY:
		return 0;
	default:
		return bad(list, "an entry with flags that are not known "
				 "(are its pages compressed?)");
	}
}

/* CRIU 4.2 writes field 5 and a 0 in field 2; older ones field 2 alone. */
static int count_of(struct pagemap_list *list,
		    const Criu__PagemapEntry *message, uint64_t *nr_pages)
{
	*nr_pages = message->has_nr_pages ? message->nr_pages
					  : message->compat_nr_pages;
	if (message->compat_nr_pages && message->compat_nr_pages != *nr_pages)
		return bad(list, "an entry with two counts that differ");
	return *nr_pages ? 0 : bad(list, "an entry of no pages");
}

static int take_message(struct pagemap_list *list,
			const Criu__PagemapEntry *message,
			struct pagemap_entry *entry)
{
	if (message->base.n_unknown_fields)
		return bad(list, "an entry with a field that is not known "
				 "(are its pages compressed?)");
	entry->vaddr = message->vaddr;
	entry->flags = flags_of(message);
	if (check_flags(list, entry->flags) < 0)
		return -1;
	return count_of(list, message, &entry->nr_pages);
}

static int check_place(struct pagemap_list *list,
		       const struct pagemap_entry *entry, uint32_t page_size)
{
	const struct pagemap_entry *last =
		list->nr ? &list->entries[list->nr - 1] : NULL;

	if (entry->vaddr % page_size)
		return bad(list, "an entry that begins within a page");
	if (entry->nr_pages > (UINT64_MAX - entry->vaddr) / page_size)
		return bad(list, "an entry that ends beyond all addresses");
	if (last && entry->vaddr < last->vaddr + last->nr_pages * page_size)
		return bad(list, "entries that do not ascend");
	return 0;
}

/* Room for one more: doubled at every power of two. */
static int grow(struct pagemap_list *list)
{
	struct pagemap_entry *grown;

	if (list->nr & (list->nr - 1))
		return 0;
	grown = reallocarray(list->entries, list->nr ? 2 * list->nr : 1,
			     sizeof(*list->entries));
	if (!grown)
		return -1;
	list->entries = grown;
	return 0;
}

static int add_entry(struct pagemap_list *list, struct pagemap_entry *entry,
		     uint32_t page_size)
{
	if (check_place(list, entry, page_size) < 0 || grow(list) < 0)
		return -1;
	entry->offset = list->nr_present * page_size;
	if (entry->flags & PAGEMAP_PRESENT)
		list->nr_present += entry->nr_pages;
	if (entry->flags & PAGEMAP_PARENT)
		list->nr_parent += entry->nr_pages;
	list->entries[list->nr++] = *entry;
	return 0;
}

/* A file, of which one message and some more are in memory. */
struct source {
	int fd;
	struct buf buf;
	const char *at;  /* in buf */
	uint64_t before; /* bytes of the file that were before buf */
	bool ended;
};

/* So that what a file claims is never more than what it has. */
static int fill(struct source *source)
{
	struct buf *buf = &source->buf;
	size_t done = buf->size ? (size_t)(source->at - buf->data) : 0;
	ssize_t n;

	if (source->ended || buf->size - done >= MESSAGE_MAX)
		return 0;
	if (buf_reserve(buf, PIECE) < 0)
		return -1;
	buf->size -= done;
	memmove(buf->data, buf->data + done, buf->size);
	source->before += done;
	source->at = buf->data;
	n = io_read(source->fd, buf->data + buf->size, PIECE);
	if (n < 0)
		return -1;
	buf->size += (size_t)n;
	source->ended = n < PIECE;
	return 0;
}

/* 1, 0 at the end, or -1; where it stands is noted. */
static int take(struct pagemap_list *list, struct source *source,
		const ProtobufCMessageDescriptor *type,
		ProtobufCMessage **message)
{
	if (fill(source) < 0)
		return -1;
	list->at = source->before + (uint64_t)(source->at - source->buf.data);
	return img_take_within(&source->at, source->buf.data + source->buf.size,
			       MEMORY_MAX, type, message);
}

static int parse_entries(struct pagemap_list *list, struct source *source,
			 uint32_t page_size)
{
	ProtobufCMessage *message;

	while (true) {
		struct pagemap_entry entry = {0};
		int result = take(list, source,
				  &criu__pagemap_entry__descriptor, &message);

		entry.at = list->at;
		if (result < 0 && errno == EBADMSG)
			return bad(list,
				   "an entry that is cut short or damaged");
		if (result <= 0)
			return result;
		result = take_message(list, (const Criu__PagemapEntry *)message,
				      &entry);
		protobuf_c_message_free_unpacked(message, NULL);
		if (result < 0 || add_entry(list, &entry, page_size) < 0)
			return -1;
	}
}

static int parse(struct pagemap_list *list, struct source *source,
		 uint32_t page_size)
{
	ProtobufCMessage *head;
	size_t unknown;

	if (fill(source) < 0)
		return -1;
	if (img_take_magic(&source->at, source->buf.data + source->buf.size,
			   IMG_COMMON, IMG_PAGEMAP) < 0)
		return bad(list, "it does not begin as a pagemap");
	if (take(list, source, &criu__pagemap_head__descriptor, &head) <= 0)
		return bad(list, "a head that is cut short or damaged");
	list->pages_id = ((const Criu__PagemapHead *)head)->pages_id;
	unknown = head->n_unknown_fields;
	protobuf_c_message_free_unpacked(head, NULL);
	if (unknown)
		return bad(list, "a head with a field that is not known "
				 "(are its pages compressed?)");
	return parse_entries(list, source, page_size);
}

int pagemap_list_read_file(struct pagemap_list *list, int dir, const char *name,
			   uint32_t page_size)
{
	own_fd int fd = img_open(dir, name);
	struct source source = {.fd = fd};
	int result;

	*list = (struct pagemap_list){.why = "it is no file"};
	result = fd < 0 ? -1 : parse(list, &source, page_size);
	if (result < 0) {
		struct pagemap_list fault = {.why = list->why, .at = list->at};

		pagemap_list_release(list);
		*list = fault;
	}
	buf_release(&source.buf);
	return result;
}

int pagemap_list_read(struct pagemap_list *list, int dir, uint32_t id,
		      uint32_t page_size)
{
	char name[32];

	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", id);
	return pagemap_list_read_file(list, dir, name, page_size);
}

void pagemap_list_release(struct pagemap_list *list)
{
	int error = errno;

	free(list->entries);
	*list = (struct pagemap_list){0};
	errno = error;
}

const struct pagemap_entry *pagemap_list_find(const struct pagemap_list *list,
					      vaddr_t vaddr, uint32_t page_size)
{
	size_t low = 0;
	size_t high = list->nr;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct pagemap_entry *entry = &list->entries[middle];

		if (vaddr < entry->vaddr)
			high = middle;
		else if (vaddr >= entry->vaddr + entry->nr_pages * page_size)
			low = middle + 1;
		else
			return entry;
	}
	return NULL;
}

bool pagemap_list_lacks(const struct pagemap_list *list, const struct run *run,
			uint32_t page_size, vaddr_t *missing)
{
	vaddr_t end = run_end(run, page_size);

	*missing = run->vaddr;
	while (*missing < end) {
		const struct pagemap_entry *entry =
			pagemap_list_find(list, *missing, page_size);

		if (!entry ||
		    !(entry->flags & (PAGEMAP_PRESENT | PAGEMAP_PARENT)))
			return true;
		*missing = entry->vaddr + entry->nr_pages * page_size;
	}
	return false;
}
