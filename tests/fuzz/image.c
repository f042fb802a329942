// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What is read of an image directory: src/image, and pagepipe.head.
 *
 *   byte 0   enum what
 *   rest     the file; of a CHAIN: two bytes for the size of level 0's pagemap,
 *            two for its pages (of 512 bytes), the same for its parent's;
 *            then both pagemaps
 */
#include "kit/kit.h"

#include "image/chain.h"
#include "image/core_img.h"
#include "image/mm_img.h"
#include "image/pagemap_list.h"
#include "image/pstree_img.h"
#include "image/summary_img.h"
#include "image/type.h"
#include "stream/head.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE    512
#define MAPPING 4096
#define STEPS   64 /* pieces of a chain that are looked at */

enum what { PAGEMAP, INVENTORY, MM, CORE, PSTREE, CHAIN, HEAD, NAME, WHATS };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	mkdirat(kit_dir(), "child", 0700);
	mkdirat(kit_dir(), "parent", 0700);
	symlinkat("../parent", kit_dir(), "child/parent");
	kit_file("child/" INVENTORY_NAME, NULL, 0);
	kit_file("parent/" INVENTORY_NAME, NULL, 0);
	return 0;
}

static void check_list(const struct pagemap_list *list, uint32_t page_size)
{
	uint64_t offset = 0;
	vaddr_t low = 0;

	for (size_t i = 0; i < list->nr; i++) {
		const struct pagemap_entry *entry = &list->entries[i];
		uint64_t size = entry->nr_pages * page_size;

		kit_must(entry->nr_pages && entry->vaddr >= low,
			 "entries ascend");
		low = entry->vaddr + size;
		kit_must(low > entry->vaddr, "an entry does not wrap around");
		kit_must(entry->offset == offset, "an entry's place");
		offset += entry->flags & PAGEMAP_PRESENT ? size : 0;
		kit_must(pagemap_list_find(list, entry->vaddr, page_size) ==
				 entry,
			 "an entry is found");
	}
}

static void read_pagemap(const uint8_t *data, size_t size)
{
	struct pagemap_list list;

	kit_file("file", data, size);
	if (pagemap_list_read_file(&list, kit_dir(), "file", MAPPING) == 0)
		check_list(&list, MAPPING);
	else
		kit_must(list.why, "what is refused has a reason");
	pagemap_list_release(&list);
}

static void read_inventory(const uint8_t *data, size_t size)
{
	uint64_t uptime_us;

	kit_file(INVENTORY_NAME, data, size);
	(void)inventory_read(kit_dir(), &uptime_us);
}

static void read_mm(const uint8_t *data, size_t size)
{
	struct mm_img img;

	if (mm_img_parse(&img, data, size, MAPPING) < 0)
		return;
	for (size_t i = 0; i < img.nr; i++) {
		kit_must(mm_img_find(&img, img.vmas[i].start) == &img.vmas[i],
			 "a mapping is found");
		(void)mm_vma_can_be_lazy(&img.vmas[i]);
	}
	mm_img_release(&img);
}

static void read_core(const uint8_t *data, size_t size)
{
	struct core_img img;

	(void)core_img_parse(&img, data, size);
}

static void read_pstree(const uint8_t *data, size_t size)
{
	struct pstree_img img;

	if (pstree_img_parse(&img, data, size) < 0)
		return;
	for (size_t i = 0; i < img.nr; i++)
		kit_must(pstree_img_find(&img, img.tasks[i].pid) ==
				 &img.tasks[i],
			 "a process is found");
	pstree_img_release(&img);
}

static void read_head(const uint8_t *data, size_t size)
{
	struct head head;

	kit_file(HEAD_NAME, data, size);
	if (head_read(&head, kit_dir()) == 0)
		(void)head_task(&head, 1);
	head_release(&head);
}

/* A name that a type has is the name that the type makes. */
static void read_name(const uint8_t *data, size_t size)
{
	const struct image_type *type;
	char name[IMAGE_NAME_SIZE] = "";
	char made[IMAGE_NAME_SIZE];
	uint64_t id;

	if (size >= sizeof(name) || memchr(data, 0, size))
		return;
	memcpy(name, data, size);
	type = image_type_of(name, &id);
	if (type)
		kit_must(image_type_name(type, id, made) == 0 &&
				 !strcmp(name, made),
			 "a name comes back");
}

/* --- a chain --- */

static void make_pages(const char *dir, uint16_t nr_pages)
{
	static const uint8_t content[2 * PAGE] = {1};
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%s/pages-1.img", dir);
	kit_file(name, content, sizeof(content));
	fd = openat(kit_dir(), name, O_WRONLY | O_CLOEXEC);
	if (ftruncate(fd, (off_t)nr_pages * PAGE) < 0)
		kit_must(false, "a file can be made longer");
	close(fd);
}

static void make_level(struct kit_input *input, const char *dir, uint16_t size,
		       uint16_t nr_pages)
{
	const uint8_t *data;
	char name[32];
	size_t taken = kit_bytes(input, size, &data);

	snprintf(name, sizeof(name), "%s/pagemap-7.img", dir);
	kit_file(name, data, taken);
	make_pages(dir, nr_pages);
}

static void look_at(struct chain *chain, const struct pagemap_entry *entry)
{
	struct chain_piece piece = {&chain->levels[0], entry->offset,
				    entry->nr_pages};
	const char *data;
	char page[PAGE];
	int64_t nr;

	if (entry->flags & PAGEMAP_PARENT &&
	    chain_resolve(chain, entry, entry->vaddr, &piece) < 0)
		kit_must(false, "what is checked can be resolved");
	kit_must(piece.nr_pages && piece.nr_pages <= entry->nr_pages,
		 "a piece is a part of its entry");
	if (entry->flags == PAGEMAP_LAZY)
		return;
	nr = pages_file_next(&piece.level->pages, piece.offset, piece.nr_pages,
			     &data);
	kit_must(nr > 0 && (uint64_t)nr <= piece.nr_pages,
		 "what a pagemap has can be read");
	kit_must(pages_file_read(&piece.level->pages, piece.offset, 1, page) ==
			 0,
		 "and once more");
}

static void read_chain(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	uint16_t of_child = kit_u16(&input);
	uint16_t nr_child = kit_u16(&input);
	uint16_t of_parent = kit_u16(&input);
	uint16_t nr_parent = kit_u16(&input);
	struct chain chain;
	char path[PATH_MAX];

	make_level(&input, "child", of_child, nr_child);
	make_level(&input, "parent", of_parent, nr_parent);
	snprintf(path, sizeof(path), "%s/child", kit_path());
	kit_must(chain_open(&chain, path) == 0, "the chain can be opened");
	if (chain_load(&chain, "pagemap-7.img", PAGE) == 0 &&
	    chain_check(&chain) == 0)
		for (size_t i = 0; i < chain.levels[0].list.nr && i < STEPS;
		     i++)
			look_at(&chain, &chain.levels[0].list.entries[i]);
	chain_close(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[WHATS])(const uint8_t *, size_t) = {
		[PAGEMAP] = read_pagemap, [INVENTORY] = read_inventory,
		[MM] = read_mm,           [CORE] = read_core,
		[PSTREE] = read_pstree,   [CHAIN] = read_chain,
		[HEAD] = read_head,       [NAME] = read_name,
	};
	struct kit_input input = {data, size};

	readers[kit_byte(&input) % WHATS](input.data, input.size);
	return 0;
}
