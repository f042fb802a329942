// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/dir.h"

#include "base/own.h"
#include "image/entries.h"
#include "image/join.h"
#include "image/summary_img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_SIZE 7 /* ".XXXXXX" */
#define IN_PLACE    "pagepipe"

/* The sticky bit, which nobody else gives a directory of his own, marks it. */
#define TEMPORARY_MODE 01700

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* --- what may be replaced --- */

static bool is_image_name(const char *name)
{
	return entries_name_is(name, "", ".img") ||
	       !strcmp(name, "stats-dump") || !strcmp(name, "pagepipe.head") ||
	       !strcmp(name, INDEX_NAME) || !strcmp(name, "parent") ||
	       !strcmp(name, "irmap-cache");
}

static int is_foreign(int dir, const char *name, void *unused)
{
	struct stat stat;

	(void)unused;
	return !is_image_name(name) ||
	       fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	       S_ISDIR(stat.st_mode);
}

static int is_anything(int dir, const char *name, void *unused)
{
	(void)dir;
	(void)name;
	(void)unused;
	return 1;
}

/* Ours, and nobody's home directory of that name: see TEMPORARY_MODE. */
static bool is_ours(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && stat.st_uid == geteuid() &&
	       (stat.st_mode & 07777) == TEMPORARY_MODE &&
	       !entries_each(fd, is_foreign, NULL);
}

/*
 * Is this the temporary directory of a run that is dead?  A living one holds
 * a lock.
 */
static int remove_stale(int parent, const char *name, void *of)
{
	const char *base = of;
	char prefix[NAME_MAX + 1];
	own_fd int fd = -1;

	snprintf(prefix, sizeof(prefix), ".%.*s.", NAME_MAX - 2, base);
	if (strlen(name) != strlen(prefix) + SUFFIX_SIZE - 1 ||
	    strncmp(name, prefix, strlen(prefix)))
		return 0;
	fd = openat(parent, name, OPEN_DIR | O_NOFOLLOW);
	if (fd >= 0 && is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0)
		entries_remove(parent, fd, name);
	return 0;
}

static enum image_dir_fault check_old(struct image_dir *dir, int old,
				      bool force)
{
	entries_each(old, remove_stale, (void *)IN_PLACE);
	if (!entries_each(old, is_anything, NULL))
		return IMAGE_DIR_FINE;
	if (!force)
		return IMAGE_DIR_NOT_EMPTY;
	if (entries_each(old, is_foreign, NULL))
		return IMAGE_DIR_FOREIGN;
	dir->replaces = true;
	return IMAGE_DIR_FINE;
}

/* --- names --- */

static enum image_dir_fault system_fault(void)
{
	switch (errno) {
	case ENOTDIR:
		return IMAGE_DIR_NO_DIR;
	case ENAMETOOLONG:
		return IMAGE_DIR_NAME_TOO_LONG;
	default:
		return IMAGE_DIR_ERROR;
	}
}

/* Splits path into an open parent and a name; "." and ".." have none. */
static enum image_dir_fault open_parent(struct image_dir *dir, const char *path)
{
	char text[PATH_MAX];
	size_t size = strlen(path);
	const char *name;
	char *slash;

	if (size == 0 || size >= sizeof(text)) {
		errno = size ? ENAMETOOLONG : ENOENT;
		return system_fault();
	}
	memcpy(text, path, size + 1);
	while (size > 1 && text[size - 1] == '/')
		text[--size] = 0;
	slash = strrchr(text, '/');
	name = slash ? slash + 1 : text;
	if (strlen(name) > NAME_MAX - SUFFIX_SIZE - 1)
		return IMAGE_DIR_NAME_TOO_LONG;
	memcpy(dir->name, name, strlen(name) + 1);
	if (slash)
		slash[slash == text] = 0;
	dir->parent = open(slash ? text : ".", OPEN_DIR);
	return dir->parent < 0 ? system_fault() : IMAGE_DIR_FINE;
}

static bool is_mount_point(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
	       st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static bool cannot_be_renamed(const struct image_dir *dir, int old)
{
	return !*dir->name || !strcmp(dir->name, ".") ||
	       !strcmp(dir->name, "..") || is_mount_point(old);
}

/* Looks at what has the name now, and how it is to be taken over. */
static enum image_dir_fault look(struct image_dir *dir, bool force)
{
	own_fd int old = openat(dir->parent, *dir->name ? dir->name : ".",
				OPEN_DIR | O_NOFOLLOW);

	if (old < 0)
		return errno == ENOENT  ? IMAGE_DIR_FINE
		       : errno == ELOOP ? IMAGE_DIR_NO_DIR
					: system_fault();
	if (cannot_be_renamed(dir, old)) {
		close(dir->parent);
		dir->parent = steal_fd(&old);
		dir->in_place = true;
		strcpy(dir->name, IN_PLACE);
		return check_old(dir, dir->parent, force);
	}
	return check_old(dir, old, force);
}

/* --- the temporary directory --- */

static int make_temporary(struct image_dir *dir)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t random[SUFFIX_SIZE - 1];
	int n;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -1;
	n = snprintf(dir->temporary, sizeof(dir->temporary), ".%.*s.",
		     NAME_MAX - SUFFIX_SIZE - 1, dir->name);
	for (size_t i = 0; i < sizeof(random); i++)
		dir->temporary[n++] = letters[random[i] % 32];
	dir->temporary[n] = 0;
	return mkdirat(dir->parent, dir->temporary, TEMPORARY_MODE);
}

/* Between mkdir and flock another run may take it for a leftover. */
static int lock_temporary(struct image_dir *dir)
{
	struct stat stat;

	dir->fd = openat(dir->parent, dir->temporary, OPEN_DIR | O_NOFOLLOW);
	if (dir->fd < 0 || flock(dir->fd, LOCK_EX | LOCK_NB) < 0 ||
	    fstat(dir->fd, &stat) < 0)
		return -1;
	if (stat.st_nlink)
		return 0;
	errno = ENOENT;
	return -1;
}

/* Nothing is in it yet. */
static void give_up_temporary(struct image_dir *dir)
{
	int error = errno;

	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
	unlinkat(dir->parent, dir->temporary, AT_REMOVEDIR);
	errno = error;
}

static enum image_dir_fault fill_temporary(struct image_dir *dir)
{
	for (int attempts = 0; attempts < 8; attempts++) {
		if (make_temporary(dir) == 0) {
			if (lock_temporary(dir) == 0) {
				dir->open = true;
				return IMAGE_DIR_FINE;
			}
			give_up_temporary(dir);
		}
		if (errno != EEXIST && errno != ENOENT && errno != EAGAIN)
			break;
	}
	return system_fault();
}

enum image_dir_fault image_dir_create(struct image_dir *dir, const char *path,
				      bool force)
{
	enum image_dir_fault fault;

	*dir = (struct image_dir){.fd = -1, .parent = -1};
	fault = open_parent(dir, path);
	if (fault == IMAGE_DIR_FINE)
		fault = look(dir, force);
	if (fault != IMAGE_DIR_FINE)
		return fault;
	entries_each(dir->parent, remove_stale, dir->name);
	return fill_temporary(dir);
}

enum image_dir_fault image_dir_join(struct image_dir *dir, const char *path)
{
	*dir = (struct image_dir){
		.fd = -1, .in_place = true, .joins = true, .name = IN_PLACE};
	if (mkdir(path, 0700) == 0)
		dir->made = path;
	dir->parent = open(path, OPEN_DIR);
	if (dir->parent < 0)
		return system_fault();
	entries_each(dir->parent, remove_stale, (void *)IN_PLACE);
	return fill_temporary(dir);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The temporary directory lies beside DIR, or in it. */
int image_dir_open(const struct image_dir *dir, const char *path)
{
	own_fd int other =
		openat(dir->in_place ? dir->parent : dir->fd, path, OPEN_DIR);
	struct stat of_other;
	struct stat of_dir;

	if (other < 0 || fstat(other, &of_other) < 0)
		return -1;
	if (fstatat(dir->parent, dir->in_place ? "." : dir->name, &of_dir, 0) ==
		    0 &&
	    is_same(&of_dir, &of_other)) {
		errno = EINVAL;
		return -1;
	}
	return steal_fd(&other);
}

void image_dir_abort(struct image_dir *dir)
{
	if (!dir->open)
		return;
	dir->open = false;
	entries_remove(dir->parent, dir->fd, dir->temporary);
	if (dir->made)
		rmdir(dir->made); /* unless others have used it */
}

void image_dir_close(struct image_dir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	if (dir->parent >= 0)
		close(dir->parent);
	dir->fd = dir->parent = -1;
}

/* --- commit --- */

static int move_file(int from, const char *name, void *of)
{
	const struct image_dir *dir = of;

	if (!strcmp(name, INVENTORY_NAME))
		return 0;
	return renameat(from, name, dir->parent, name);
}

static int remove_old_image(int parent, const char *name, void *unused)
{
	(void)unused;
	return is_image_name(name) ? unlinkat(parent, name, 0) : 0;
}

/* From here on the files in DIR are ours: a failure takes them away again. */
static int fill_in_place(struct image_dir *dir)
{
	if (entries_each(dir->parent, remove_old_image, NULL) ||
	    entries_each(dir->fd, move_file, dir) || fsync(dir->parent) < 0)
		return -1;
	return renameat(dir->fd, INVENTORY_NAME, dir->parent, INVENTORY_NAME);
}

static int commit_in_place(struct image_dir *dir)
{
	if (unlinkat(dir->parent, INVENTORY_NAME, 0) < 0 && errno != ENOENT)
		return -1;
	if (fsync(dir->parent) < 0)
		return -1;
	if (fill_in_place(dir) < 0) {
		int error = errno;

		entries_each(dir->parent, remove_old_image, NULL);
		errno = error;
		return -1;
	}
	unlinkat(dir->parent, dir->temporary, AT_REMOVEDIR);
	return fsync(dir->parent);
}

/* Marked up to here: whenever we are killed, what is left is known for ours. */
static int finish_rename(struct image_dir *dir)
{
	if (fchmod(dir->fd, 0700) < 0)
		return -1;
	return fsync(dir->parent);
}

static int replace(struct image_dir *dir)
{
	own_fd int old = openat(dir->parent, dir->name, OPEN_DIR | O_NOFOLLOW);

	if (old < 0 || fchmod(old, TEMPORARY_MODE) < 0)
		return -1;
	if (renameat2(dir->parent, dir->temporary, dir->parent, dir->name,
		      RENAME_EXCHANGE) < 0)
		return -1;
	dir->open = false; /* the old one is going: whatever comes, keep this */
	entries_remove(dir->parent, old, dir->temporary);
	return finish_rename(dir);
}

/* What is taken away again must not bear the name while it is. */
static void rename_back(struct image_dir *dir)
{
	int error = errno;

	fchmod(dir->fd, TEMPORARY_MODE);
	dir->open = renameat(dir->parent, dir->name, dir->parent,
			     dir->temporary) == 0;
	errno = error;
}

static int commit_by_rename(struct image_dir *dir)
{
	if (dir->replaces)
		return replace(dir);
	if (renameat(dir->parent, dir->temporary, dir->parent, dir->name) < 0)
		return -1;
	if (finish_rename(dir) == 0)
		return 0;
	rename_back(dir);
	return -1;
}

int image_dir_commit(struct image_dir *dir)
{
	int result;

	if (fsync(dir->fd) < 0)
		return -1;
	if (dir->joins)
		result = join_commit(dir);
	else
		result = dir->in_place ? commit_in_place(dir)
				       : commit_by_rename(dir);
	if (result == 0)
		dir->open = false;
	return result;
}
