// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/tools.h"

#include "base/die.h"
#include "base/own.h"
#include "predump/plan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path, struct stat *stat)
{
	return lstat(path, stat) == 0 && access(path, X_OK) == 0 &&
	       !S_ISDIR(stat->st_mode);
}

static const char *in_path(const char *name, struct stat *found)
{
	const char *path = getenv("PATH");
	own_free char *list = path ? strdup(path) : NULL;
	char *state = NULL;

	for (char *dir = list ? strtok_r(list, ":", &state) : NULL; dir;
	     dir = strtok_r(NULL, ":", &state)) {
		if (is_program(text("%s/%s", dir, name), found))
			return name;
	}
	return NULL;
}

static const char *beside_us(const char *name, struct stat *found)
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *path;

	if (size <= 0)
		return NULL;
	self[size] = 0;
	*strrchr(self, '/') = 0;
	path = text("%s/%s", self, name);
	return is_program(path, found) ? path : NULL;
}

/* The plain name where that is the same file: it reads better. */
const char *tools_find(const char *name)
{
	struct stat near;
	struct stat far;
	const char *ours;
	const char *plain;

	if (strchr(name, '/'))
		return name;
	ours = beside_us(name, &near);
	plain = in_path(name, &far);
	if (ours && plain && near.st_ino == far.st_ino &&
	    near.st_dev == far.st_dev)
		return plain;
	if (ours || plain)
		return ours ? ours : plain;
	die(EXIT_SYSTEM,
	    "cannot find %s, neither beside predump nor in PATH: is it "
	    "installed?",
	    name);
}
