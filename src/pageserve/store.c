// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct store_task *find(const struct store *store, uint32_t pid)
{
	for (size_t i = 0; i < store->nr; i++)
		if (store->all[i]->pid == pid)
			return store->all[i];
	return NULL;
}

static int load(struct chain *chain, const char *path, const char *name,
		uint32_t page_size)
{
	if (chain_open(chain, path) < 0 ||
	    chain_load(chain, name, page_size) < 0)
		return -1;
	return chain_check(chain);
}

static int explain(const struct chain *chain, struct fault *fault)
{
	return errno == EBADMSG ? fault_set(fault, "%s", chain->fault.text)
				: fault_errno(fault, "%s", chain->fault.text);
}

static int keep(struct store *store, struct store_task *task)
{
	struct store_task **grown = reallocarray(store->all, store->nr + 1,
						 sizeof(struct store_task *));

	if (!grown)
		return -1;
	store->all = grown;
	store->all[store->nr++] = task;
	return 0;
}

static struct store_task *add(struct store *store, uint32_t pid,
			      const char *name, struct fault *fault)
{
	struct store_task *task = calloc(1, sizeof(*task));

	if (!task) {
		fault_errno(fault, "%s", name);
		return NULL;
	}
	task->pid = pid;
	if (load(&task->chain, store->path, name, store->page_size) == 0 &&
	    keep(store, task) == 0)
		return task;
	explain(&task->chain, fault);
	chain_close(&task->chain);
	free(task);
	return NULL;
}

/* --- pages --- */

struct reading {
	struct chain *chain;
	vaddr_t vaddr;
	uint64_t left; /* pages */
	char *data;
};

/* Where the pages of an entry from vaddr on stand. */
static int place(const struct reading *reading,
		 const struct pagemap_entry *entry, struct chain_piece *piece)
{
	uint64_t page_size = reading->chain->page_size;
	uint64_t before = (reading->vaddr - entry->vaddr) / page_size;

	if (entry->flags & PAGEMAP_PARENT)
		return chain_resolve(reading->chain, entry, reading->vaddr,
				     piece);
	*piece = (struct chain_piece){
		.level = &reading->chain->levels[0],
		.offset = entry->offset + before * page_size,
		.nr_pages = entry->nr_pages - before,
	};
	return 0;
}

/* 1 with some pages more, 0 where one is not here, -1 with the chain's fault.
 */
static int read_some(struct reading *reading)
{
	struct chain *chain = reading->chain;
	const struct pagemap_entry *entry = pagemap_list_find(
		&chain->levels[0].list, reading->vaddr, chain->page_size);
	struct chain_piece piece;
	uint64_t nr;

	if (!entry || entry->flags == PAGEMAP_LAZY)
		return 0;
	if (place(reading, entry, &piece) < 0)
		return -1;
	nr = piece.nr_pages < reading->left ? piece.nr_pages : reading->left;
	if (pages_file_read(&piece.level->pages, piece.offset, nr,
			    reading->data) < 0)
		return chain_bad(chain, "%s: the pages of %s cannot be read",
				 piece.level->path, chain->name);
	reading->vaddr += nr * chain->page_size;
	reading->data += nr * chain->page_size;
	reading->left -= nr;
	return 1;
}

int64_t store_read(struct store *store, uint32_t pid, vaddr_t vaddr,
		   uint64_t nr_pages, char *data, struct fault *fault)
{
	struct store_task *task = find(store, pid);
	struct reading reading = {
		.vaddr = vaddr, .left = nr_pages, .data = data};
	char path[PATH_MAX];
	char name[32];
	int result = 1;

	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", pid);
	snprintf(path, sizeof(path), "%s/%s", store->path, name);
	if (!task && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (!task)
		task = add(store, pid, name, fault);
	if (!task)
		return -1;
	reading.chain = &task->chain;
	while (reading.left && result > 0)
		result = read_some(&reading);
	if (result < 0)
		return explain(reading.chain, fault);
	return (int64_t)(nr_pages - reading.left);
}

void store_release(struct store *store)
{
	for (size_t i = 0; i < store->nr; i++) {
		chain_close(&store->all[i]->chain);
		free(store->all[i]);
	}
	free(store->all);
	*store = (struct store){0};
}
