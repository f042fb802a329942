// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/dir.h"

#include <errno.h>

int dir_next(DIR *dir, const struct dirent **entry)
{
	errno = 0;
	*entry = readdir(dir);
	if (*entry)
		return 1;
	return errno ? -1 : 0;
}
