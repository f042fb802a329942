// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The entries of an open directory; without malloc, since what is half made is
 * undone in signal handlers.
 */
#ifndef IMAGE_ENTRIES_H
#define IMAGE_ENTRIES_H

#include <stdbool.h>

/*
 * Calls act for each entry but "." and ".." until it gives a value other
 * than 0, which is given back.
 */
int entries_each(int dir, int (*act)(int dir, const char *name, void *of),
		 void *of);

/*
 * Removes the directory that fd is, whose name in parent that is.  Files alone:
 * a directory in it, which we never make, makes rmdir fail.
 */
void entries_remove(int parent, int fd, const char *name);

/* Does a name begin and end like that? */
bool entries_name_is(const char *name, const char *prefix, const char *suffix);

#endif
