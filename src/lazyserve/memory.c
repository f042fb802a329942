// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/memory.h"

#include <stdlib.h>
#include <unistd.h>

static int read_lists(struct memory *memory)
{
	const struct pagemap_list *list = images_list(memory->images);

	for (size_t i = 0; i < list->nr; i++) {
		const struct pagemap_entry *entry = &list->entries[i];
		bool lazy = entry->flags & PAGEMAP_LAZY;

		if (left_add(lazy ? &memory->left : &memory->loaded,
			     entry->vaddr, entry->nr_pages) < 0)
			return -1;
	}
	return left_begin(&memory->left) < 0 || left_begin(&memory->loaded) < 0
		       ? -1
		       : 0;
}

/* What is left of it when it could not be made whole. */
static struct memory *give_up(struct memory *memory)
{
	memory_empty(memory);
	free(memory);
	return NULL;
}

struct memory *memory_new(struct images *images, int uffd)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->images = images;
	memory->uffd = uffd;
	memory->left.page_size = images->chain.page_size;
	memory->loaded.page_size = images->chain.page_size;
	return read_lists(memory) < 0 ? give_up(memory) : memory;
}

struct memory *memory_fork(const struct memory *parent, int uffd)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->images = parent->images;
	memory->uffd = uffd;
	memory->forked = true;
	memory->near = parent->near;
	if (left_copy(&memory->left, &parent->left) < 0 ||
	    left_copy(&memory->loaded, &parent->loaded) < 0)
		return give_up(memory);
	return memory;
}

void memory_empty(struct memory *memory)
{
	left_release(&memory->left);
	left_release(&memory->loaded);
	free(memory->faults);
	memory->faults = NULL;
	memory->nr_faults = memory->room = 0;
}

void memory_free(struct memory *memory)
{
	memory_empty(memory);
	if (memory->uffd >= 0)
		close(memory->uffd);
	free(memory);
}

int memory_add_fault(struct memory *memory, vaddr_t vaddr, uint64_t ns)
{
	if (memory->nr_faults == memory->room) {
		size_t room = memory->room ? 2 * memory->room : 16;
		struct fault *grown =
			reallocarray(memory->faults, room, sizeof(*grown));

		if (!grown)
			return -1;
		memory->faults = grown;
		memory->room = room;
	}
	memory->faults[memory->nr_faults++] = (struct fault){vaddr, ns};
	memory->fault_ns = ns;
	return 0;
}

void memory_answer(struct memory *memory, vaddr_t vaddr, uint64_t size,
		   void (*tell)(void *of, const struct fault *), void *of)
{
	for (size_t i = memory->nr_faults; i-- > 0;) {
		struct fault *fault = &memory->faults[i];

		if (fault->vaddr < vaddr || fault->vaddr - vaddr >= size)
			continue;
		tell(of, fault);
		*fault = memory->faults[--memory->nr_faults];
	}
}
