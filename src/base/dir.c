// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/dir.h"

#include <errno.h>

const struct dirent *dir_next(DIR *dir, int *result)
{
	const struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (!entry && errno)
		*result = -1;
	return entry;
}
