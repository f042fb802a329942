// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgwrite/confined.h"

#include "base/own.h"
#include "stage/confined.h"

#include <fcntl.h>

#define WRITES   (CONFINE_READ | CONFINE_WRITE | CONFINE_REMOVE)
#define OPEN_DIR (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void confine_writer(const struct image_dir *dir, int parent)
{
	own_fd int old = dir->replaces && !dir->in_place
				 ? openat(dir->parent, dir->name, OPEN_DIR)
				 : -1;
	struct confine confine = {.calls = CONFINE_FILES | CONFINE_THREADS};

	confined_dir(&confine, dir->fd, WRITES);
	confined_dir(&confine, dir->parent,
		     CONFINE_DIRS | (dir->in_place ? WRITES : 0));
	confined_dir(&confine, old, CONFINE_READ | CONFINE_REMOVE);
	confined_dir(&confine, parent, CONFINE_READ);
	confined_begin(&confine);
}
