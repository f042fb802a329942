// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What is left to imgwrite before it reads its stream: to write below the
 * temporary directory, to read below the parent, and in the directory around
 * both to make, rename and remove directories.  Dies.
 */
#ifndef IMGWRITE_CONFINED_H
#define IMGWRITE_CONFINED_H

#include "image/dir.h"

/* parent: of --parent, or -1. */
void confine_writer(const struct image_dir *dir, int parent);

#endif
