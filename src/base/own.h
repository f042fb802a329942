// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Ownership by scope: a variable declared `own_free` or `own_fd` gives back
 * what it holds when its scope ends.  steal_fd() hands a descriptor on.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stdlib.h>
#include <unistd.h>

static inline void own_free_(void *pointer)
{
	free(*(void **)pointer);
}

static inline void own_fd_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define own_free __attribute__((cleanup(own_free_)))
#define own_fd   __attribute__((cleanup(own_fd_)))

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
