// SPDX-License-Identifier: GPL-3.0-or-later
#include "confine/confine.h"

#include "confine/calls.h"
#include "confine/paths.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

int confine_dir(struct confine *confine, int fd, unsigned deeds)
{
	struct confine_dir *grown;

	if (fd < 0)
		return 0;
	grown = reallocarray(confine->dirs, confine->nr_dirs + 1,
			     sizeof(*grown));
	if (!grown)
		return -1;
	confine->dirs = grown;
	confine->dirs[confine->nr_dirs++] = (struct confine_dir){fd, deeds};
	return 0;
}

void confine_release(struct confine *confine)
{
	free(confine->dirs);
	*confine = (struct confine){0};
}

static bool is_left_out(const struct confine *confine, const char *part)
{
	return confine->except && !strcmp(confine->except, part);
}

/* Paths first, since no filter lets landlock's own calls through. */
int confine_begin(const struct confine *confine)
{
	int holds = 0;
	int paths = 0;
	int calls;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		holds |= CONFINED_PRIVILEGES;
	if (!is_left_out(confine, "landlock"))
		paths = paths_confine(confine);
	if (paths < 0)
		return -1;
	calls = calls_confine(confine);
	if (calls < 0)
		return -1;
	return holds | (paths ? CONFINED_PATHS : 0) |
	       (calls ? CONFINED_CALLS : 0);
}
