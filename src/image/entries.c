// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/entries.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct kernel_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

int entries_each(int dir, int (*act)(int dir, const char *name, void *of),
		 void *of)
{
	char buffer[4096] __attribute__((aligned(8)));
	long size;

	if (lseek(dir, 0, SEEK_SET) < 0)
		return -1;
	while ((size = syscall(SYS_getdents64, dir, buffer, sizeof(buffer))) >
	       0) {
		for (long at = 0; at < size;) {
			struct kernel_dirent *entry =
				(struct kernel_dirent *)(buffer + at);
			int result = 0;

			at += entry->reclen;
			if (strcmp(entry->name, ".") &&
			    strcmp(entry->name, ".."))
				result = act(dir, entry->name, of);
			if (result)
				return result;
		}
	}
	return (int)size;
}

static int remove_file(int dir, const char *name, void *unused)
{
	(void)unused;
	unlinkat(dir, name, 0);
	return 0;
}

void entries_remove(int parent, int fd, const char *name)
{
	entries_each(fd, remove_file, NULL);
	unlinkat(parent, name, AT_REMOVEDIR);
}

bool entries_name_is(const char *name, const char *prefix, const char *suffix)
{
	size_t size = strlen(name);
	size_t before = strlen(prefix);
	size_t behind = strlen(suffix);

	return size >= before + behind && !strncmp(name, prefix, before) &&
	       !strcmp(name + size - behind, suffix);
}
