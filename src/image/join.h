// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The commit of an image_dir that joins others' files: see image_dir_join().
 * 0, or -1 with errno: then none of its files is in DIR.
 */
#ifndef IMAGE_JOIN_H
#define IMAGE_JOIN_H

#include "image/dir.h"

int join_commit(struct image_dir *dir);

#endif
