// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgread/contents.h"

#include "base/die.h"
#include "base/dir.h"
#include "base/num.h"
#include "stream/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for one more: doubled at every power of two. */
static void *grow(void *list, size_t nr, size_t size)
{
	void *grown = list;

	if (!(nr & (nr - 1)))
		grown = reallocarray(list, nr ? 2 * nr : 1, size);
	if (!grown)
		die(EXIT_SYSTEM, "no memory");
	return grown;
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t size = strlen(name);

	return size >= strlen(suffix) &&
	       !strcmp(name + size - strlen(suffix), suffix);
}

/* pagemap-PID.img, and nothing that only looks like it. */
static bool is_task(const char *name, uint32_t *pid)
{
	char again[NAME_MAX + 1];
	char digits[16] = "";
	uint64_t value;

	if (strncmp(name, "pagemap-", 8))
		return false;
	memcpy(digits, name + 8, strnlen(name + 8, sizeof(digits) - 1));
	digits[strspn(digits, "0123456789")] = 0;
	if (num_parse(digits, &value) < 0 || !value || value > INT32_MAX)
		return false;
	*pid = (uint32_t)value;
	snprintf(again, sizeof(again), "pagemap-%" PRIu32 ".img", *pid);
	return !strcmp(again, name);
}

/* What CRIU and its callers put beside the images, and we write anew. */
static bool is_known(const char *name)
{
	return !strcmp(name, "parent") || !strcmp(name, HEAD_NAME) ||
	       !strcmp(name, "stats-dump") || !strcmp(name, "stats-restore") ||
	       ends_in(name, ".log") || ends_in(name, ".pid");
}

/* An image that is not known may be just what a restore cannot do without. */
static void leave_out(const struct contents *contents, const char *name,
		      bool all)
{
	if (all && ends_in(name, ".img"))
		die(EXIT_INPUT, "%s/%s: not an image file that is known",
		    contents->path, name);
	if (all && !is_known(name))
		warn("%s/%s: is no image file, left out", contents->path, name);
	else
		detail("%s/%s: left out", contents->path, name);
}

static void add_name(struct contents *contents, const char *name, bool all)
{
	struct other other = {0};
	uint32_t pid;

	contents->has_head |= !strcmp(name, HEAD_NAME);
	other.type = image_type_of(name, &other.id);
	if (other.type) {
		contents->others = grow(contents->others, contents->nr_others,
					sizeof(other));
		contents->others[contents->nr_others++] = other;
	} else if (is_task(name, &pid)) {
		contents->tasks =
			grow(contents->tasks, contents->nr_tasks, sizeof(pid));
		contents->tasks[contents->nr_tasks++] = pid;
	} else {
		leave_out(contents, name, all);
	}
}

static int compare_pids(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static int compare_others(const void *a, const void *b)
{
	const struct other *left = a;
	const struct other *right = b;

	if (left->type->number != right->type->number)
		return left->type->number < right->type->number ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

void contents_read(struct contents *contents, int dir, const char *path,
		   bool all)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int result = 0;

	*contents = (struct contents){.path = path};
	if (!names)
		die_errno(EXIT_SYSTEM, "cannot read %s", path);
	while ((entry = dir_next(names, &result)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			add_name(contents, entry->d_name, all);
	if (result < 0)
		die_errno(EXIT_SYSTEM, "cannot read %s", path);
	closedir(names);
	if (contents->nr_tasks)
		qsort(contents->tasks, contents->nr_tasks, sizeof(uint32_t),
		      compare_pids);
	if (contents->nr_others)
		qsort(contents->others, contents->nr_others,
		      sizeof(struct other), compare_others);
}

bool contents_has_task(const struct contents *contents, uint32_t pid)
{
	return contents->nr_tasks &&
	       bsearch(&pid, contents->tasks, contents->nr_tasks, sizeof(pid),
		       compare_pids);
}

void contents_claim_pages(struct contents *contents, uint32_t pages_id,
			  enum owner owner, const char *pagemap)
{
	struct other wanted = {image_type_numbered(IMAGE_PAGES), pages_id, 0};
	struct other *file = contents->nr_others
				     ? bsearch(&wanted, contents->others,
					       contents->nr_others,
					       sizeof(wanted), compare_others)
				     : NULL;

	if (!file)
		return;
	if (file->owner)
		die(EXIT_INPUT,
		    "%s/%s: names pages-%" PRIu32 ".img, and so does another "
		    "pagemap",
		    contents->path, pagemap, pages_id);
	file->owner = owner;
}
