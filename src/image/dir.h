// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * An image directory that is there whole or not at all.
 *
 * It is filled as `.NAME.XXXXXX` beside DIR (0700), synced, and renamed.  DIR
 * is absent or empty before; force also takes one that holds only images,
 * exchanges the two (RENAME_EXCHANGE) and then removes the old one.  Where
 * DIR is a mount point or `.`, which cannot be renamed, the files are filled
 * into `.pagepipe.XXXXXX` below it and renamed one by one: inventory.img, by
 * whose presence a directory counts as whole, is removed first and put last.
 *
 * image_dir_join() adds images to what DIR holds, which stays, whatever it is:
 * a dump by CRIU with a page server writes into one directory from two sides.
 *
 * A leftover of a run that was killed is known by its lock, which died with
 * its owner, and is removed by the next run.  image_dir_abort() is safe in a
 * signal handler.
 */
#ifndef IMAGE_DIR_H
#define IMAGE_DIR_H

#include <limits.h>
#include <stdbool.h>

struct image_dir {
	int fd;                  /* where files are created */
	int parent;              /* what the temporary directory lies in */
	bool in_place;           /* parent is DIR itself */
	bool replaces;           /* DIR holds images that go */
	bool joins;              /* DIR holds whatever, which stays */
	const char *made;        /* DIR's path, if joining has made it */
	bool open;               /* there is something to abort */
	char name[NAME_MAX + 1]; /* of DIR in parent */
	char temporary[NAME_MAX + 1];
};

enum image_dir_fault {
	IMAGE_DIR_FINE,
	IMAGE_DIR_NOT_EMPTY, /* and not forced */
	IMAGE_DIR_FOREIGN,   /* forced, but holds other things than images */
	IMAGE_DIR_NO_DIR,    /* something else has that name */
	IMAGE_DIR_NAME_TOO_LONG,
	IMAGE_DIR_ERROR, /* errno */
};

enum image_dir_fault image_dir_create(struct image_dir *dir, const char *path,
				      bool force);

/*
 * Files for DIR, which is made if it is absent.  The commit fails with EEXIST
 * where DIR has a file of the same name, but for inventory.img: one that is
 * there stays.  Pagemaps come behind the pages, inventory.img last.  path must
 * live until then.
 */
enum image_dir_fault image_dir_join(struct image_dir *dir, const char *path);

/*
 * Opens another directory by a path relative to DIR, as a parent link has it.
 * -1 with errno; EINVAL: it is DIR itself, as it is before the commit.
 */
int image_dir_open(const struct image_dir *dir, const char *path);

/* 0, or -1 with errno: then DIR does not look whole. */
int image_dir_commit(struct image_dir *dir);

void image_dir_abort(struct image_dir *dir);

/* Afterwards, for who goes on; not in a signal handler. */
void image_dir_close(struct image_dir *dir);

#endif
