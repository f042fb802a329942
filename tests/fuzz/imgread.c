// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * imgread, over a directory of any files: what it gives out to its end is a
 * stream that is whole.
 *
 *   byte 0   bit 0: --all
 *            bit 1: --flatten
 *            bit 2: pagepipe.head has no magic, and is sealed (kit/seal.h)
 *   each file   1 byte: which one; 2 bytes: its size; its bytes.  Of a pages
 *               file the size alone, in pages of 512 bytes
 */
#include "kit/kit.h"
#include "kit/seal.h"

int imgread_main(int argc, char **argv);
#define main imgread_main
#include "imgread/imgread.c"
#undef main

#include "image/summary_img.h"
#include "stream/head.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE       512
#define MEMORY_MAX (8u << 20) /* bytes, for some kilobytes of files */

enum { ALL = 1, FLATTENED = 2, SEALED = 4 };

static const char *const names[] = {
	"child/pagemap-7.img",
	"child/pages-1.img",
	"child/" HEAD_NAME,
	"parent/pagemap-7.img",
	"parent/pages-1.img",
	"child/pagemap-9.img",
	"child/pages-2.img",
	"child/" INVENTORY_NAME,
	"child/pagemap-shmem-3.img",
	"child/pages-3.img",
	"child/pstree.img",
	"child/core-7.img",
	"child/mm-7.img",
	"child/strange.txt",
	"child/notes.log",
	"parent/" INVENTORY_NAME,
};

static int nowhere; /* where its output goes in between */
static char path[PATH_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	kit_quiet();
	mkdirat(kit_dir(), "child", 0700);
	mkdirat(kit_dir(), "parent", 0700);
	snprintf(path, sizeof(path), "%s/child", kit_path());
	nowhere = dup(STDOUT_FILENO);
	return 0;
}

/* --- the directory --- */

static void make_pages(const char *name, uint16_t nr_pages)
{
	static const uint8_t content[2 * PAGE] = {1};
	int fd;

	kit_file(name, content, sizeof(content));
	fd = openat(kit_dir(), name, O_WRONLY | O_CLOEXEC);
	kit_must(ftruncate(fd, (off_t)nr_pages * PAGE) == 0,
		 "a file has a size");
	close(fd);
}

static void make_head(const char *name, const uint8_t *data, size_t size)
{
	struct buf stream = {0};

	kit_must(seal(&stream, data, size) == 0, "there is memory");
	kit_file(name, (const uint8_t *)stream.data, stream.size);
	buf_release(&stream);
}

static void make_file(struct kit_input *input, bool sealed)
{
	const char *name =
		names[kit_byte(input) % (sizeof(names) / sizeof(*names))];
	uint16_t size = kit_u16(input);
	const uint8_t *data;
	size_t taken;

	if (strstr(name, "/pages-")) {
		make_pages(name, size);
		return;
	}
	taken = kit_bytes(input, size, &data);
	if (sealed && strstr(name, HEAD_NAME))
		make_head(name, data, taken);
	else
		kit_file(name, data, taken);
}

static void make_directory(struct kit_input *input, bool sealed)
{
	int fd;

	kit_empty("child");
	kit_empty("parent");
	symlinkat("../parent", kit_dir(), "child/parent");
	for (int i = 0; i < 2; i++) {
		fd = openat(kit_dir(), i ? "child" : "parent",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		kit_must(inventory_write(fd, 1) == 0, "an inventory");
		close(fd);
	}
	while (input->size)
		make_file(input, sealed);
}

/* As its main() does. */
static void read_all(void *of)
{
	struct imgread *self = of;

	self->stage = (struct stage){.id = PAGESTREAM__STAGE__IMGREAD,
				     .sides = STAGE_WRITES};
	stream_writer_init(&self->stage.out, STDOUT_FILENO);
	open_all(self);
	check(self);
	kept_send(&self->kept, &self->stage);
	if (self->options.all)
		others_send(&self->others, &self->stage);
	memory_send(&self->memory);
	kept_send_late(&self->kept, &self->stage);
	send_end(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	uint8_t how = kit_byte(&input);
	int first = kit_first();
	static struct imgread self;
	int out = kit_reader(NULL, 0);

	make_directory(&input, how & SEALED);
	self = (struct imgread){.options = {how & ALL, how & FLATTENED, path}};
	kit_must(dup2(out, STDOUT_FILENO) == STDOUT_FILENO, "an output");
	if (kit_run(read_all, &self))
		kit_must(seal_is_whole(out), "what came out is whole");
	kit_must(kit_peak() < MEMORY_MAX, "it takes little memory");
	dup2(nowhere, STDOUT_FILENO);
	chain_close(&self.chain);
	kit_free();
	kit_close(first);
	return 0;
}
