// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * TARGET FILE...: gives each file to a fuzz target, where there is no
 * libFuzzer.  A fault ends it, and is the last file it has named.
 */
#include "kit/kit.h"

#include "base/buf.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE 65536

static void read_file(const char *name, struct buf *file)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	char piece[PIECE];
	ssize_t n;

	file->size = 0;
	while ((n = fd < 0 ? -1 : io_read(fd, piece, sizeof(piece))) > 0)
		if (buf_append(file, piece, (size_t)n) < 0)
			break;
	if (n != 0) {
		perror(name);
		exit(EXIT_FAILURE);
	}
	close(fd);
}

/* In a piece of memory of just its size, so that nothing reads beyond it. */
static void give(const char *name)
{
	struct buf file = {0};
	struct buf exact = {0};

	fprintf(stderr, "%s\n", name);
	read_file(name, &file);
	exact.data = malloc(file.size ? file.size : 1);
	exact.room = file.size;
	if (!exact.data || buf_append(&exact, file.data, file.size) < 0)
		exit(EXIT_FAILURE);
	LLVMFuzzerTestOneInput((const uint8_t *)exact.data, exact.size);
	buf_release(&exact);
	buf_release(&file);
}

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		give(argv[i]);
	fprintf(stderr, "%d files, no fault\n", argc - 1);
	return 0;
}
