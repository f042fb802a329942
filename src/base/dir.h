// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A directory that cannot be read to its end must not be taken for a shorter
 * one: readdir(3) gives NULL for both.
 */
#ifndef BASE_DIR_H
#define BASE_DIR_H

#include <dirent.h>

/* 1: entry is the next, until the call after this; 0: that was all; -1 with
 * errno. */
int dir_next(DIR *dir, const struct dirent **entry);

#endif
