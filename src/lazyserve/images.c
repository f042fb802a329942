// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/images.h"

#include "base/die.h"
#include "base/dir.h"
#include "base/num.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct pagemap_list *images_list(const struct images *images)
{
	return images->has_own ? &images->own : &images->chain.levels[0].list;
}

enum image_place images_place(struct images *images, vaddr_t vaddr,
			      uint64_t nr_pages, struct chain_piece *piece)
{
	struct chain *chain = &images->chain;
	struct chain_level *top = &chain->levels[0];
	const struct pagemap_entry *entry =
		pagemap_list_find(&top->list, vaddr, chain->page_size);
	uint64_t before;

	*piece = (struct chain_piece){.level = top, .nr_pages = 1};
	if (!entry)
		return IMAGE_NOWHERE;
	before = (vaddr - entry->vaddr) / chain->page_size;
	piece->nr_pages = entry->nr_pages - before;
	piece->offset = entry->offset + before * chain->page_size;
	if (entry->flags & PAGEMAP_PARENT &&
	    chain_resolve(chain, entry, vaddr, piece) < 0)
		return IMAGE_NOWHERE;
	if (piece->nr_pages > nr_pages)
		piece->nr_pages = nr_pages;
	return entry->flags == PAGEMAP_LAZY ? IMAGE_AWAY : IMAGE_HERE;
}

/* --- reading --- */

static _Noreturn void die_of_chain(const struct chain *chain)
{
	if (errno == EBADMSG)
		die(EXIT_INPUT, "%s", chain->fault.text);
	die_errno(EXIT_SYSTEM, "cannot read %s", chain->fault.text);
}

/* The number in pagemap-N.img; 0: it is another file. */
static uint32_t pid_of(const char *name)
{
	static const char before[] = "pagemap-";
	static const char behind[] = ".img";
	char text[16];
	size_t size = strlen(name);
	uint64_t pid;

	if (size <= strlen(before) + strlen(behind) ||
	    strncmp(name, before, strlen(before)) != 0 ||
	    strcmp(name + size - strlen(behind), behind) != 0)
		return 0;
	snprintf(text, sizeof(text), "%.*s",
		 (int)(size - strlen(before) - strlen(behind)),
		 name + strlen(before));
	return num_parse(text, &pid) < 0 || pid > INT32_MAX ? 0 : (uint32_t)pid;
}

static void add(struct image_set *set, uint32_t pid)
{
	struct images *grown =
		reallocarray(set->all, set->nr + 1, sizeof(*set->all));

	if (!grown)
		die_errno(EXIT_SYSTEM, "no memory");
	set->all = grown;
	set->all[set->nr++] = (struct images){.pid = pid};
}

static int by_pid(const void *a, const void *b)
{
	const struct images *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void list_tasks(struct image_set *set, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		die_errno(EXIT_SYSTEM, "cannot read %s", path);
	while ((entry = dir_next(dir, &result))) {
		uint32_t pid = pid_of(entry->d_name);

		if (pid)
			add(set, pid);
	}
	if (result < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s", path);
	closedir(dir);
	if (set->nr)
		qsort(set->all, set->nr, sizeof(*set->all), by_pid);
}

static void load(struct images *images, const char *dir)
{
	char name[32];

	if (chain_open(&images->chain, dir) < 0)
		die_of_chain(&images->chain);
	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", images->pid);
	if (chain_load(&images->chain, name, (uint32_t)sysconf(_SC_PAGESIZE)) <
	    0)
		die_of_chain(&images->chain);
}

static void load_own(struct images *images, const char *work)
{
	own_fd int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	images->has_own = true;
	if (dir >= 0 && pagemap_list_read(&images->own, dir, images->pid,
					  images->chain.page_size) == 0)
		return;
	if (errno != EBADMSG)
		die_errno(EXIT_SYSTEM, "cannot read %s/pagemap-%" PRIu32 ".img",
			  work, images->pid);
	die(EXIT_INPUT, "%s/pagemap-%" PRIu32 ".img: byte %" PRIu64 ": %s",
	    work, images->pid, images->own.at, images->own.why);
}

/* --- checking --- */

static _Noreturn void die_of_page(const struct images *images, vaddr_t vaddr,
				  enum image_place place)
{
	const char *path = images->chain.levels[0].path;

	if (place == IMAGE_AWAY)
		die(EXIT_INPUT,
		    "%s/%s: the page 0x%" PRIx64 " is not here: it was left "
		    "with its process; give the full directory, or --source",
		    path, images->chain.name, vaddr);
	if (images->chain.fault.text[0])
		die(EXIT_INPUT, "%s", images->chain.fault.text);
	die(EXIT_INPUT,
	    "%s/%s: does not hold the page 0x%" PRIx64 ", which "
	    "is to be restored",
	    path, images->chain.name, vaddr);
}

static void check_entry(struct images *images,
			const struct pagemap_entry *entry, bool remote)
{
	for (uint64_t done = 0; done < entry->nr_pages;) {
		struct chain_piece piece;
		vaddr_t vaddr = entry->vaddr + done * images->chain.page_size;
		enum image_place place = images_place(
			images, vaddr, entry->nr_pages - done, &piece);

		if (place == IMAGE_NOWHERE || (place == IMAGE_AWAY && !remote))
			die_of_page(images, vaddr, place);
		if (place == IMAGE_AWAY)
			images->nr_asked += piece.nr_pages;
		done += piece.nr_pages;
	}
	images->nr_lazy += entry->nr_pages;
}

static void check(struct images *images, bool remote)
{
	const struct pagemap_list *list = images_list(images);

	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].flags & PAGEMAP_LAZY)
			check_entry(images, &list->entries[i], remote);
}

static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

void image_set_read(struct image_set *set, const char *dir, const char *work,
		    bool remote)
{
	bool own = !is_same(dir, work);

	*set = (struct image_set){0};
	if (own)
		list_tasks(set, work);
	own = set->nr > 0;
	if (!own)
		list_tasks(set, dir);
	for (size_t i = 0; i < set->nr; i++) {
		load(&set->all[i], dir);
		if (own)
			load_own(&set->all[i], work);
		check(&set->all[i], remote);
	}
	if (!set->nr)
		die(EXIT_INPUT, "%s: it holds no pagemap of a process", dir);
}

struct images *image_set_find(const struct image_set *set, uint32_t pid)
{
	struct images wanted = {.pid = pid};

	return bsearch(&wanted, set->all, set->nr, sizeof(wanted), by_pid);
}

void image_set_release(struct image_set *set)
{
	for (size_t i = 0; i < set->nr; i++) {
		chain_close(&set->all[i].chain);
		pagemap_list_release(&set->all[i].own);
	}
	free(set->all);
	*set = (struct image_set){0};
}
