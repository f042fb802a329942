// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A directory that cannot be read to its end must not be taken for a shorter
 * one: readdir(3) gives NULL for both.
 */
#ifndef BASE_DIR_H
#define BASE_DIR_H

#include <dirent.h>

/* Until the next call.  NULL: that was all; or result is -1, with errno. */
const struct dirent *dir_next(DIR *dir, int *result);

#endif
