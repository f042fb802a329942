// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Takes a number and the one character that must follow it. */
static bool take(const char **at, int base, char follow, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(*at, &end, base);
	if (errno || end == *at || *end != follow)
		return false;
	*at = end + 1;
	return true;
}

static bool take_prot(const char **at, uint32_t *prot)
{
	const char *p = *at;

	if (strnlen(p, 5) < 5 || p[4] != ' ' || (p[3] != 'p' && p[3] != 's'))
		return false;
	*prot = (p[0] == 'r' ? VMA_READ : 0) | (p[1] == 'w' ? VMA_WRITE : 0) |
		(p[2] == 'x' ? VMA_EXEC : 0) | (p[3] == 's' ? VMA_SHARED : 0);
	*at += 5;
	return true;
}

/* What stands behind the padding; a newline in a name is written as \012. */
static bool take_name(const char **at, struct vma *vma)
{
	const char *end = strchr(*at, '\n');

	if (!end)
		return false;
	vma->name = *at + strspn(*at, " ");
	vma->name_size = (size_t)(end - vma->name);
	*at = end + 1;
	return true;
}

/* "7f12a000-7f12c000 r-xp 00001000 fe:01 1234      /lib/libc.so.6\n" */
int maps_next(const char **at, struct vma *vma)
{
	uint64_t major;
	uint64_t minor;

	*vma = (struct vma){0};
	if (!**at)
		return 0;
	if (take(at, 16, '-', &vma->start) && take(at, 16, ' ', &vma->end) &&
	    take_prot(at, &vma->prot) && take(at, 16, ' ', &vma->offset) &&
	    take(at, 16, ':', &major) && take(at, 16, ' ', &minor) &&
	    take(at, 10, ' ', &vma->inode) && take_name(at, vma) &&
	    vma->start < vma->end) {
		vma->dev_major = (uint32_t)major;
		vma->dev_minor = (uint32_t)minor;
		return 1;
	}
	errno = EPROTO;
	return -1;
}

int maps_find(const char *maps, const char **at, const char *what,
	      struct vma *vma)
{
	const char *found = strstr(*at, what);

	if (!found)
		return 0;
	while (found > maps && found[-1] != '\n')
		found--;
	*at = found;
	return maps_next(at, vma);
}
