// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * imgwrite from its first frame to its rename, in a directory of ours.
 *
 *   byte 0   bit 0: the rest has no magic, and is sealed (kit/seal.h)
 *            bit 1: --index
 *            bit 2: DIR holds images, and --force is given
 *            bit 3: --parent ../parent
 *            bit 4: DIR is `.` of a directory
 *   rest     the stream
 */
#include "kit/kit.h"
#include "kit/seal.h"

int imgwrite_main(int argc, char **argv);
#define main imgwrite_main
#include "imgwrite/imgwrite.c"
#undef main

#include "image/entries.h"
#include "image/pagemap_img.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define PAGE       512
#define MEMORY_MAX (8u << 20) /* bytes, for some kilobytes of stream */

enum { SEALED = 1, INDEX = 2, FORCED = 4, ON_PARENT = 8, IN_PLACE = 16 };

static int open_below(const char *name)
{
	return openat(kit_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Of process 7: pages that PARENT runs may leave to it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct run run = {0x1000, 64, RUN_PRESENT};
	static const char pages[64 * PAGE];
	struct pagemap_img img;
	int fd;

	(void)argc;
	(void)argv;
	kit_quiet();
	mkdirat(kit_dir(), "parent", 0700);
	fd = open_below("parent");
	kit_must(inventory_write(fd, UINT64_MAX) == 0 &&
			 pagemap_img_create(&img, fd, 7, 1, PAGE) == 0 &&
			 pagemap_img_add(&img, &run) == 0 &&
			 pagemap_img_data(&img, pages, sizeof(pages)) == 0 &&
			 pagemap_img_finish(&img) == 0,
		 "a parent can be made");
	pagemap_img_release(&img);
	close(fd);
	return 0;
}

/* --- in place of a thread, which would outlive a death: imgwrite/writer.h ---
 */

struct writer_piece *writer_next(struct writer *writer)
{
	static char room[WRITER_PIECE];

	writer->pieces[0].room = room;
	return &writer->pieces[0];
}

void writer_put(struct writer *writer)
{
	const struct writer_piece *piece = &writer->pieces[0];

	kit_must(piece->size <= WRITER_PIECE, "a piece fits");
	kit_must(!piece->ring, "there is no ring");
	if (piece->fd >= 0 &&
	    pwrite(piece->fd, piece->data, piece->size, (off_t)piece->offset) !=
		    (ssize_t)piece->size)
		die_errno(EXIT_SYSTEM, "cannot write the images");
}

void writer_settle(struct writer *writer)
{
	(void)writer;
}

/* --- imgwrite --- */

struct writing {
	int fd;
	struct imgwrite self;
};

/* As its main() does. */
static void write_all(void *of)
{
	struct imgwrite *self = &((struct writing *)of)->self;
	struct frame frame;

	if (stream_reader_init(&self->stage.in, ((struct writing *)of)->fd,
			       -1) < 0)
		die(EXIT_SYSTEM, "no memory");
	open_dir(&self->options);
	self->tasks.dir = dir.fd;
	self->tasks.others = &self->others;
	self->others.dir = dir.fd;
	self->tasks.index = self->options.index;
	if (self->options.parent)
		parent_open(&self->tasks.parent, &dir, self->options.parent);
	open_head(self);
	while (stage_next(&self->stage, &frame))
		take(self, &frame);
	stage_finish(&self->stage);
	judge(self);
	tasks_finish(&self->tasks, &self->stage);
	write_summary(self);
	commit(self);
	tell(self);
}

/* --- what must hold of the directories --- */

static int check_image(int fd, const char *name, void *parent)
{
	struct stat stat;
	char target[16] = "";

	kit_must(fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0,
		 "a file is there");
	if (S_ISLNK(stat.st_mode)) {
		kit_must(parent && !strcmp(name, "parent") &&
				 readlinkat(fd, name, target, 15) == 9 &&
				 !strcmp(target, parent),
			 "a link is the one to the parent");
		return 0;
	}
	kit_must(S_ISREG(stat.st_mode), "all else is a file");
	kit_must((stat.st_mode & 07777) == 0600, "its owner's alone");
	kit_must(entries_name_is(name, "", ".img") ||
			 !strcmp(name, HEAD_NAME) ||
			 !strcmp(name, "stats-dump") ||
			 !strcmp(name, INDEX_NAME) ||
			 !strcmp(name, "irmap-cache"),
		 "its name is one of an image");
	return 0;
}

static int check_outside(int fd, const char *name, void *unused)
{
	(void)fd;
	(void)unused;
	kit_must(!strcmp(name, "parent") || !strcmp(name, "dir"),
		 "nothing is outside of the directory");
	return 0;
}

static int count(int fd, const char *name, void *nr)
{
	(void)fd;
	(void)name;
	++*(int *)nr;
	return 0;
}

static bool exists(const char *name)
{
	return faccessat(kit_dir(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void check_dirs(const struct writing *writing, bool done, uint8_t how)
{
	int parent = open_below("parent");
	int made = open_below("dir");
	int nr = 0;

	entries_each(kit_dir(), check_outside, NULL);
	entries_each(parent, count, &nr);
	kit_must(nr == 3, "the parent stays as it is");
	kit_must(!done || seal_is_whole(writing->fd),
		 "only a stream that is whole becomes a directory");
	if (done)
		entries_each(made, check_image,
			     how & ON_PARENT ? (void *)"../parent" : NULL);
	else if (how & FORCED)
		kit_must(exists("dir/old.img"), "else DIR stays as it was");
	else if (how & IN_PLACE)
		kit_must(!entries_each(made, check_outside, NULL) &&
				 !exists("dir/" INVENTORY_NAME),
			 "else DIR stays empty");
	else
		kit_must(made < 0, "else there is none");
	kit_must(!done || exists("dir/" INVENTORY_NAME), "DIR is whole");
	kit_must(!done || !exists("dir/old.img"), "what was there has gone");
	close(parent);
	close(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	uint8_t how = kit_byte(&input);
	int first = kit_first();
	static struct writing writing;
	static char path[PATH_MAX];
	bool done;

	snprintf(path, sizeof(path), "%s/dir%s", kit_path(),
		 how & IN_PLACE ? "/." : "");
	writing = (struct writing){
		.fd = seal_reader(input.data, input.size, how & SEALED),
		.self.options = {.force = how & FORCED,
				 .index = how & INDEX,
				 .parent = how & ON_PARENT ? "../parent" : NULL,
				 .path = path},
	};
	if (how & (FORCED | IN_PLACE))
		mkdirat(kit_dir(), "dir", 0700);
	if (how & FORCED)
		kit_file("dir/old.img", NULL, 0);
	done = kit_run(write_all, &writing);
	undo();
	kit_must(kit_peak() < MEMORY_MAX, "it takes little memory");
	check_dirs(&writing, done, how);
	kit_empty("dir");
	unlinkat(kit_dir(), "dir", AT_REMOVEDIR);
	kit_free();
	kit_close(first);
	return 0;
}
