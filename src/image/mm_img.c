// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/mm_img.h"

#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MEMORY_MAX (256u << 20) /* bytes, for the message as it is unpacked */

static int bad(struct mm_img *img, const char *why)
{
	img->why = why;
	errno = EBADMSG;
	return -1;
}

static int check_vma(struct mm_img *img, const struct mm_vma *vma,
		     uint32_t page_size)
{
	const struct mm_vma *last = img->nr ? &img->vmas[img->nr - 1] : NULL;

	if (vma->start % page_size || vma->end % page_size)
		return bad(img, "a mapping that begins or ends within a page");
	if (vma->start >= vma->end)
		return bad(img, "a mapping that ends before it begins");
	if (last && vma->start < last->end)
		return bad(img, "mappings that do not ascend");
	return 0;
}

static int fill(struct mm_img *img, const Criu__Mm *message, uint32_t page_size)
{
	img->vmas = calloc(message->n_vmas + 1, sizeof(*img->vmas));
	if (!img->vmas)
		return -1;
	for (size_t i = 0; i < message->n_vmas; i++) {
		const Criu__VmaEntry *entry = message->vmas[i];
		struct mm_vma vma = {entry->start, entry->end, entry->prot,
				     entry->flags, entry->status};

		if (vma.status & MM_GUARD)
			continue;
		if (check_vma(img, &vma, page_size) < 0)
			return -1;
		img->vmas[img->nr++] = vma;
	}
	return 0;
}

static int parse(struct mm_img *img, const char *at, const char *end,
		 uint32_t page_size)
{
	ProtobufCMessage *message;
	int result;

	if (img_take_magic(&at, end, IMG_COMMON, IMG_MM) < 0)
		return bad(img, "it does not begin as such a file");
	if (img_take_within(&at, end, MEMORY_MAX, &criu__mm__descriptor,
			    &message) <= 0)
		return bad(img, "it is cut short, damaged or larger than any");
	result = at == end ? fill(img, (const Criu__Mm *)message, page_size)
			   : bad(img, "there is more behind its end");
	protobuf_c_message_free_unpacked(message, NULL);
	return result;
}

int mm_img_parse(struct mm_img *img, const void *data, size_t size,
		 uint32_t page_size)
{
	const char *why;

	*img = (struct mm_img){0};
	if (parse(img, data, (const char *)data + size, page_size) == 0)
		return 0;
	why = img->why;
	mm_img_release(img);
	img->why = why;
	return -1;
}

int mm_img_read(struct mm_img *img, int dir, uint32_t pid, uint32_t page_size)
{
	struct buf file = {0};
	char name[32];
	int result;

	*img = (struct mm_img){.why = "it is no file, or larger than any"};
	snprintf(name, sizeof(name), "mm-%" PRIu32 ".img", pid);
	result = img_read_small(dir, name, MM_IMG_MAX, &file);
	if (result == 0)
		result = mm_img_parse(img, file.data, file.size, page_size);
	buf_release(&file);
	return result;
}

void mm_img_release(struct mm_img *img)
{
	int error = errno;

	free(img->vmas);
	*img = (struct mm_img){0};
	errno = error;
}

const struct mm_vma *mm_img_find(const struct mm_img *img, vaddr_t vaddr)
{
	size_t low = 0;
	size_t high = img->nr;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct mm_vma *vma = &img->vmas[middle];

		if (vaddr < vma->start)
			high = middle;
		else if (vaddr >= vma->end)
			low = middle + 1;
		else
			return vma;
	}
	return NULL;
}

bool mm_vma_can_be_lazy(const struct mm_vma *vma)
{
	uint32_t wanted = MAP_ANONYMOUS | MAP_PRIVATE;

	return (vma->flags & wanted) == wanted &&
	       !(vma->flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       !(vma->status & (MM_VDSO | MM_VVAR | MM_VSYSCALL));
}
