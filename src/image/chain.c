// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/chain.h"

#include "image/img.h"
#include "image/summary_img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIR   (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define LEVELS_MAX 1000 /* descriptors */

static void say(struct chain *chain, const char *format, va_list args)
{
	vsnprintf(chain->fault.text, sizeof(chain->fault.text), format, args);
}

int chain_bad(struct chain *chain, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(chain, format, args);
	va_end(args);
	errno = EBADMSG;
	return -1;
}

/* The system refused; errno stays. */
static int failed(struct chain *chain, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int failed(struct chain *chain, const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	say(chain, format, args);
	va_end(args);
	errno = error;
	return -1;
}

/* --- directories --- */

static bool has_file(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* NULL for a directory that can be read. */
static const char *fault_of_dir(int dir)
{
	if (has_file(dir, INDEX_NAME))
		return "it holds no page bytes, it is an index";
	if (!has_file(dir, INVENTORY_NAME))
		return "it is not whole, or no image directory: it has "
		       "no inventory.img";
	return NULL;
}

static struct chain_level *add_level(struct chain *chain, int dir, char *path)
{
	// NOLINTNEXTLINE(analyzer-malloc-leak): chain has path
	struct chain_level *grown = reallocarray(chain->levels, chain->nr + 1,
						 sizeof(*chain->levels));

	if (!grown || !path) {
		close(dir);
		free(path);
		return NULL;
	}
	chain->levels = grown;
	chain->levels[chain->nr] = (struct chain_level){
		.dir = dir, .path = path, .pages = {.fd = -1}};
	return &chain->levels[chain->nr++];
}

static bool is_known(const struct chain *chain, const struct stat *stat)
{
	for (size_t i = 0; i + 1 < chain->nr; i++)
		if (chain->levels[i].dev == stat->st_dev &&
		    chain->levels[i].ino == stat->st_ino)
			return true;
	return false;
}

static char *path_of_parent(const struct chain_level *level)
{
	char *path;

	return asprintf(&path, "%s/parent", level->path) < 0 ? NULL : path;
}

static int note_identity(struct chain *chain)
{
	struct chain_level *level = &chain->levels[chain->nr - 1];
	struct stat stat;

	if (fstat(level->dir, &stat) < 0)
		return failed(chain, "%s", level->path);
	if (is_known(chain, &stat))
		return chain_bad(chain, "%s: the parents form a loop",
				 level->path);
	if (chain->nr > LEVELS_MAX)
		return chain_bad(chain, "%s: more than %d parents",
				 chain->levels[0].path, LEVELS_MAX);
	level->dev = stat.st_dev;
	level->ino = stat.st_ino;
	return 0;
}

/*
 * 1 with one more level, 0 where the chain ends.  A parent that cannot be read
 * is an error only when a page is wanted of it, as for CRIU: then `ends`
 * says why.
 */
static int open_parent(struct chain *chain)
{
	const struct chain_level *last = &chain->levels[chain->nr - 1];
	int dir;

	chain->ends = "there is no parent";
	if (!has_file(last->dir, "parent"))
		return 0;
	dir = openat(last->dir, "parent", OPEN_DIR);
	chain->ends = dir < 0 ? strerror(errno) : fault_of_dir(dir);
	if (chain->ends) {
		if (dir >= 0)
			close(dir);
		return 0;
	}
	if (!add_level(chain, dir, path_of_parent(last)))
		return failed(chain, "%s", chain->levels[0].path);
	return note_identity(chain) < 0 ? -1 : 1;
}

int chain_open(struct chain *chain, const char *path)
{
	int dir = open(path, OPEN_DIR);
	const char *why;
	int result;

	*chain = (struct chain){0};
	if (dir < 0)
		return failed(chain, "%s", path);
	if (!add_level(chain, dir, strdup(path)))
		return failed(chain, "%s", path);
	why = fault_of_dir(dir);
	if (why)
		return chain_bad(chain, "%s: %s", path, why);
	if (note_identity(chain) < 0)
		return -1;
	while ((result = open_parent(chain)) > 0)
		;
	return result;
}

static void forget(struct chain_level *level)
{
	pagemap_list_release(&level->list);
	pages_file_close(&level->pages);
	level->opened = false;
}

void chain_close(struct chain *chain)
{
	for (size_t i = 0; i < chain->nr; i++) {
		forget(&chain->levels[i]);
		close(chain->levels[i].dir);
		free(chain->levels[i].path);
	}
	free(chain->levels);
	*chain = (struct chain){0};
}

/* --- one pagemap --- */

static int read_list(struct chain *chain, struct chain_level *level)
{
	if (pagemap_list_read_file(&level->list, level->dir, chain->name,
				   chain->page_size) == 0)
		return 0;
	if (errno == EBADMSG)
		return chain_bad(chain, "%s/%s: byte %" PRIu64 ": %s",
				 level->path, chain->name, level->list.at,
				 level->list.why);
	return failed(chain, "%s/%s", level->path, chain->name);
}

/* CRIU makes no pages file where there are no pages to be written. */
static int open_pages(struct chain *chain, struct chain_level *level)
{
	uint32_t id = level->list.pages_id;
	uint64_t wanted = level->list.nr_present * chain->page_size;

	if (pages_file_open(&level->pages, level->dir, id, chain->page_size)) {
		if (errno == ENOENT && !wanted)
			return 0;
		if (errno == ENOENT)
			return chain_bad(chain,
					 "%s/pages-%" PRIu32 ".img: is not "
					 "there, and %s names it",
					 level->path, id, chain->name);
		if (errno == EBADMSG)
			return chain_bad(chain,
					 "%s/pages-%" PRIu32 ".img: is no file",
					 level->path, id);
		return failed(chain, "%s/pages-%" PRIu32 ".img", level->path,
			      id);
	}
	if (level->pages.size >= wanted)
		return 0;
	return chain_bad(chain,
			 "%s/pages-%" PRIu32 ".img: ends at byte %" PRIu64
			 ", %s has pages up to byte %" PRIu64,
			 level->path, id, level->pages.size, chain->name,
			 wanted);
}

static int load_level(struct chain *chain, struct chain_level *level)
{
	if (read_list(chain, level) < 0 || open_pages(chain, level) < 0)
		return -1;
	level->opened = true;
	return 0;
}

int chain_load(struct chain *chain, const char *name, uint32_t page_size)
{
	for (size_t i = 0; i < chain->nr; i++)
		forget(&chain->levels[i]);
	chain->page_size = page_size;
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	for (size_t i = 0; i < chain->nr; i++) {
		struct chain_level *level = &chain->levels[i];

		if (i && !has_file(level->dir, name))
			return 0;
		if (load_level(chain, level) < 0)
			return -1;
		if (!level->list.nr_parent)
			return 0;
	}
	return 0;
}

static int missing(struct chain *chain, const struct pagemap_entry *entry,
		   vaddr_t vaddr, size_t level)
{
	const struct chain_level *top = &chain->levels[0];

	if (level == chain->nr)
		return chain_bad(chain,
				 "%s/%s: byte %" PRIu64 ": the page 0x%" PRIx64
				 " is to be in %s/parent: %s",
				 top->path, chain->name, entry->at, vaddr,
				 chain->levels[level - 1].path, chain->ends);
	return chain_bad(chain,
			 "%s/%s: byte %" PRIu64 ": the page 0x%" PRIx64
			 " is to be in a parent, and %s/%s does not hold it",
			 top->path, chain->name, entry->at, vaddr,
			 chain->levels[level].path, chain->name);
}

int chain_resolve(struct chain *chain, const struct pagemap_entry *entry,
		  vaddr_t vaddr, struct chain_piece *piece)
{
	uint64_t page_size = chain->page_size;
	uint64_t left = entry->nr_pages - (vaddr - entry->vaddr) / page_size;

	for (size_t i = 1; i < chain->nr; i++) {
		struct chain_level *level = &chain->levels[i];
		const struct pagemap_entry *found = pagemap_list_find(
			&level->list, vaddr, chain->page_size);
		uint64_t before;

		if (!found || found->flags == PAGEMAP_LAZY)
			return missing(chain, entry, vaddr, i);
		before = (vaddr - found->vaddr) / page_size;
		if (found->nr_pages - before < left)
			left = found->nr_pages - before;
		*piece = (struct chain_piece){
			.level = level,
			.offset = found->offset + before * page_size,
			.nr_pages = left,
		};
		if (found->flags & PAGEMAP_PRESENT)
			return 0;
	}
	return missing(chain, entry, vaddr, chain->nr);
}

static int check_entry(struct chain *chain, const struct pagemap_entry *entry)
{
	uint64_t done = 0;

	while (done < entry->nr_pages) {
		struct chain_piece piece;

		if (chain_resolve(chain, entry,
				  entry->vaddr + done * chain->page_size,
				  &piece) < 0)
			return -1;
		// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): missing() fails
		done += piece.nr_pages;
	}
	return 0;
}

int chain_check(struct chain *chain)
{
	const struct pagemap_list *list = &chain->levels[0].list;

	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].flags & PAGEMAP_PARENT &&
		    check_entry(chain, &list->entries[i]) < 0)
			return -1;
	return 0;
}
