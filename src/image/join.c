// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/join.h"

#include "base/buf.h"
#include "image/entries.h"
#include "image/summary_img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct joining {
	const struct image_dir *dir;
	bool pages;       /* pages-N.img, or the others */
	struct buf moved; /* names, each with its 0 */
};

static int is_in_the_way(int from, const char *name, void *of)
{
	const struct image_dir *dir = of;

	(void)from;
	if (!strcmp(name, INVENTORY_NAME) ||
	    faccessat(dir->parent, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	errno = EEXIST;
	return -1;
}

static int add_file(int from, const char *name, void *of)
{
	struct joining *joining = of;

	if (!strcmp(name, INVENTORY_NAME) ||
	    entries_name_is(name, "pages-", ".img") != joining->pages)
		return 0;
	if (buf_append(&joining->moved, name, strlen(name) + 1) < 0)
		return -1;
	if (renameat(from, name, joining->dir->parent, name) == 0)
		return 0;
	joining->moved.size -= strlen(name) + 1;
	return -1;
}

static void take_back(const struct joining *joining)
{
	const char *end = joining->moved.data + joining->moved.size;
	int error = errno;

	for (const char *name = joining->moved.data; name < end;
	     name += strlen(name) + 1)
		unlinkat(joining->dir->parent, name, 0);
	errno = error;
}

static int add_inventory(const struct image_dir *dir)
{
	if (faccessat(dir->parent, INVENTORY_NAME, F_OK, 0) == 0)
		return 0;
	return renameat(dir->fd, INVENTORY_NAME, dir->parent, INVENTORY_NAME);
}

int join_commit(struct image_dir *dir)
{
	struct joining joining = {.dir = dir, .pages = true};
	int result = entries_each(dir->fd, is_in_the_way, dir);

	if (result == 0)
		result = entries_each(dir->fd, add_file, &joining);
	joining.pages = false;
	if (result == 0)
		result = entries_each(dir->fd, add_file, &joining);
	if (result == 0)
		result = fsync(dir->parent);
	if (result == 0)
		result = add_inventory(dir);
	if (result < 0)
		take_back(&joining);
	buf_release(&joining.moved);
	if (result < 0)
		return -1;
	entries_remove(dir->parent, dir->fd, dir->temporary);
	return fsync(dir->parent);
}
