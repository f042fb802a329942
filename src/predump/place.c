// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/place.h"

#include "base/die.h"
#include "base/dir.h"
#include "predump/run.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	pid_t owner;
	const char *made; /* a directory, to be removed if empty */
	const char *path; /* of the file */
	const char *temporary;
	bool named; /* temporary has a name */
	bool force;
	int fd;
} place = {.fd = -1};

/* A child that could not execute comes here, too. */
void place_undo(void)
{
	if (getpid() != place.owner)
		return;
	if (place.made)
		rmdir(place.made);
	if (place.named)
		unlink(place.temporary);
}

static void need_free(const char *dir)
{
	DIR *list = opendir(dir);
	int result = 0;
	int nr = 0;

	if (!list && errno == ENOENT)
		return;
	if (!list && errno != ENOTDIR)
		die_errno(EXIT_SYSTEM, "cannot look at %s", dir);
	while (list && dir_next(list, &result))
		nr++;
	if (result < 0)
		die_errno(EXIT_SYSTEM, "cannot look at %s", dir);
	if (list)
		closedir(list);
	if (nr != 2) /* . and .. */
		die(EXIT_USAGE,
		    "%s is there already: give the rounds another "
		    "directory",
		    dir);
}

static void open_directory(const struct plan *plan)
{
	const char *dir = plan->options->dir;

	if (mkdir(dir, 0700) == 0)
		place.made = dir;
	else if (errno != EEXIST)
		die_errno(EXIT_SYSTEM, "cannot make %s", dir);
	for (unsigned int i = 0; i < options_copies(plan->options); i++)
		need_free(plan_directory(plan, i));
}

static void open_temporary(void)
{
	const char *dir = dirname(text("%s", place.path));
	char *name =
		text("%s/.%s.XXXXXX", dir, basename(text("%s", place.path)));

	place.fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (place.fd < 0) { /* some file systems have none */
		place.fd = mkostemp(name, O_CLOEXEC);
		place.named = place.fd >= 0;
	} else {
		name = text("%s/.%s.%d", dir, basename(text("%s", place.path)),
			    getpid());
	}
	place.temporary = name;
	if (place.fd < 0)
		die_errno(EXIT_SYSTEM, "cannot write in %s", dir);
}

static int open_file(const struct options *options)
{
	struct stat stat_of;

	place.path = options->output;
	place.force = options->force;
	if (stat(place.path, &stat_of) == 0 && !S_ISREG(stat_of.st_mode)) {
		place.path = NULL; /* a device, a fifo */
		place.fd = open(options->output, O_WRONLY | O_CLOEXEC);
		if (place.fd < 0)
			die_errno(EXIT_SYSTEM, "cannot write %s",
				  options->output);
		return place.fd;
	}
	if (!options->force &&
	    faccessat(AT_FDCWD, place.path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		die(EXIT_USAGE, "%s: is there already (--force replaces it)",
		    place.path);
	open_temporary();
	return place.fd;
}

int place_open(const struct plan *plan)
{
	const struct options *options = plan->options;
	int out = RUN_TO_STDOUT;

	place.owner = getpid();
	atexit(place_undo);
	if (options->rounds && !options->host)
		open_directory(plan);
	if (!options->output)
		return RUN_TO_STDOUT;
	if (strcmp(options->output, "-"))
		out = open_file(options);
	if (isatty(out))
		die(EXIT_USAGE, "a page stream is not for a terminal; write it "
				"to a file, or pipe it on");
	return out;
}

/* Not over what has appeared meanwhile; NFS knows no RENAME_NOREPLACE. */
static int rename_anew(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL || link(from, to) < 0)
		return -1;
	return unlink(from);
}

static void give_name(void)
{
	const char *link = text("/proc/self/fd/%d", place.fd);

	if (place.named)
		return;
	if (linkat(AT_FDCWD, link, AT_FDCWD, place.temporary,
		   AT_SYMLINK_FOLLOW) < 0)
		die_errno(EXIT_SYSTEM, "cannot name %s", place.path);
	place.named = true;
}

uint64_t place_commit(void)
{
	struct stat stat_of = {0};

	place.made = NULL;
	if (!place.path)
		return 0;
	if (fsync(place.fd) < 0 || fstat(place.fd, &stat_of) < 0)
		die_errno(EXIT_SYSTEM, "cannot write %s", place.path);
	give_name();
	if ((place.force ? rename : rename_anew)(place.temporary, place.path) <
	    0)
		die_errno(EXIT_SYSTEM, "cannot name %s", place.path);
	place.named = false;
	return (uint64_t)stat_of.st_size;
}
