// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/confined.h"

#include "base/own.h"
#include "image/chain.h"
#include "stage/confined.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define WRITES   (CONFINE_READ | CONFINE_WRITE | CONFINE_REMOVE | CONFINE_DIRS)
#define OPEN_DIR (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Opened until all is named; a directory without images has no levels. */
static void name_chain(struct confine *confine, struct chain *chain,
		       const char *path)
{
	(void)chain_open(chain, path);
	for (size_t i = 0; i < chain->nr; i++)
		confined_dir(confine, chain->levels[i].dir, CONFINE_READ);
}

static bool join(char *path, size_t size, const char *a, const char *b)
{
	return snprintf(path, size, "%s/%s", a, b) < (int)size;
}

bool confine_server(const struct session_setup *setup)
{
	bool made = mkdir(setup->path, 0700) == 0;
	own_fd int dir = open(setup->path, OPEN_DIR);
	own_fd int around = dir < 0 ? -1 : openat(dir, "..", OPEN_DIR);
	struct confine confine = {.calls = CONFINE_PATHS | CONFINE_CLIENTS};
	struct chain own = {0};
	struct chain previous = {0};
	char path[PATH_MAX];

	confined_dir(&confine, dir, WRITES);
	confined_dir(&confine, around, CONFINE_READ | CONFINE_DIRS);
	name_chain(&confine, &own, setup->path);
	if (setup->previous &&
	    join(path, sizeof(path), *setup->previous == '/' ? "" : setup->path,
		 setup->previous))
		name_chain(&confine, &previous, path);
	confined_begin(&confine);
	chain_close(&own);
	chain_close(&previous);
	return made;
}
