// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/inbox.h"

#include "image/summary_img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define PARENT   "parent"

/* Apart from those of a criu that writes beside us, as its own server does. */
#define PAGES_ID_FIRST 0x10001

static bool has_file(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- beginning --- */

/* DIR may have the link already, since criu makes one, too. */
static int check_link(struct inbox *inbox)
{
	char there[PATH_MAX];
	ssize_t size =
		readlinkat(inbox->dir.parent, PARENT, there, sizeof(there) - 1);

	inbox->links = size < 0 && errno == ENOENT;
	if (inbox->links)
		return 0;
	if (size < 0)
		return fault_errno(inbox->fault, "%s/" PARENT, inbox->path);
	there[size] = 0;
	if (!strcmp(there, inbox->previous))
		return 0;
	return fault_set(inbox->fault,
			 "%s/" PARENT " is there already, and is %s",
			 inbox->path, there);
}

static int open_previous(struct inbox *inbox)
{
	if (check_link(inbox) < 0)
		return -1;
	inbox->parent = image_dir_open(&inbox->dir, inbox->previous);
	if (inbox->parent >= 0)
		return 0;
	if (errno == EINVAL)
		return fault_set(inbox->fault,
				 "%s: a directory is not its own parent",
				 inbox->previous);
	return fault_errno(inbox->fault,
			   "cannot open the parent %s (a path relative to "
			   "%s)",
			   inbox->previous, inbox->path);
}

static int open_parent(struct inbox *inbox)
{
	if (inbox->previous)
		return open_previous(inbox);
	inbox->parent = openat(inbox->dir.parent, PARENT, OPEN_DIR);
	if (inbox->parent < 0 && has_file(inbox->dir.parent, PARENT))
		return fault_errno(inbox->fault, "%s/" PARENT, inbox->path);
	return 0;
}

int inbox_begin(struct inbox *inbox)
{
	if (inbox->begun)
		return 0;
	inbox->begun = true;
	inbox->parent = -1;
	inbox->img.entries = inbox->img.pages = -1;
	inbox->pages_id = PAGES_ID_FIRST;
	switch (image_dir_join(&inbox->dir, inbox->path)) {
	case IMAGE_DIR_FINE:
		return open_parent(inbox);
	case IMAGE_DIR_NO_DIR:
		return fault_set(inbox->fault, "%s: is not a directory",
				 inbox->path);
	case IMAGE_DIR_NAME_TOO_LONG:
	case IMAGE_DIR_NOT_EMPTY:
	case IMAGE_DIR_FOREIGN:
	case IMAGE_DIR_ERROR:
		break;
	}
	return fault_errno(inbox->fault, "cannot write in %s", inbox->path);
}

/* --- one image --- */

static int name_image(struct inbox *inbox, uint64_t dst_id)
{
	struct message_image image;

	if (message_image(dst_id, &image) < 0)
		return fault_set(inbox->fault,
				 "an image of a kind that is not known");
	if (!image.shared && (!image.id || image.id > INT32_MAX))
		return fault_set(inbox->fault,
				 "an image of %" PRIu64 ", which is no pid",
				 image.id);
	snprintf(inbox->name, sizeof(inbox->name),
		 image.shared ? "pagemap-shmem-%" PRIu64 ".img"
			      : "pagemap-%" PRIu64 ".img",
		 image.id);
	return 0;
}

int inbox_asks_parent(struct inbox *inbox, uint64_t dst_id)
{
	if (inbox_begin(inbox) < 0 || name_image(inbox, dst_id) < 0)
		return -1;
	return inbox->parent >= 0 && has_file(inbox->parent, inbox->name);
}

static int wrote(struct inbox *inbox, int result)
{
	return result < 0 ? fault_errno(inbox->fault, "cannot write in %s",
					inbox->path)
			  : 0;
}

static int close_image(struct inbox *inbox)
{
	int result;

	if (!inbox->open)
		return 0;
	inbox->open = false;
	result = pagemap_img_finish(&inbox->img);
	inbox->nr_pages += inbox->img.nr_present;
	pagemap_img_release(&inbox->img);
	pagemap_list_release(&inbox->held);
	return wrote(inbox, result);
}

/* This image in the parent. */
static int load_held(struct inbox *inbox)
{
	inbox->has_parent = false;
	inbox->held = (struct pagemap_list){0};
	if (inbox->parent < 0)
		return 0;
	if (pagemap_list_read_file(&inbox->held, inbox->parent, inbox->name,
				   inbox->page_size) == 0) {
		inbox->has_parent = true;
		return 0;
	}
	if (errno == ENOENT)
		return 0;
	if (errno == EBADMSG)
		return fault_set(inbox->fault,
				 "the parent's %s: byte %" PRIu64 ": %s",
				 inbox->name, inbox->held.at, inbox->held.why);
	return fault_errno(inbox->fault, "the parent's %s", inbox->name);
}

static uint32_t next_pages_id(struct inbox *inbox)
{
	char name[32];

	do
		snprintf(name, sizeof(name), "pages-%" PRIu32 ".img",
			 inbox->pages_id++);
	while (has_file(inbox->dir.parent, name));
	return inbox->pages_id - 1;
}

static int create_image(struct inbox *inbox)
{
	if (has_file(inbox->dir.parent, inbox->name))
		return fault_set(inbox->fault, "%s has a %s already",
				 inbox->path, inbox->name);
	if (pagemap_img_create_file(&inbox->img, inbox->dir.fd, inbox->name,
				    next_pages_id(inbox),
				    inbox->page_size) == 0)
		return 0;
	if (errno == EEXIST)
		return fault_set(inbox->fault, "%s is opened twice",
				 inbox->name);
	return wrote(inbox, -1);
}

int inbox_open(struct inbox *inbox, uint64_t dst_id)
{
	if (inbox_begin(inbox) < 0 || close_image(inbox) < 0 ||
	    name_image(inbox, dst_id) < 0 || load_held(inbox) < 0)
		return -1;
	inbox->dst_id = dst_id;
	inbox->end = 0;
	inbox->nr_images++;
	if (create_image(inbox) < 0)
		return -1;
	inbox->open = true;
	return 0;
}

/* --- its pages --- */

static uint32_t flags_of(const struct message *message)
{
	switch (message->command) {
	case MESSAGE_ADD:
		return MESSAGE_PRESENT;
	case MESSAGE_HOLE:
		return MESSAGE_IN_PARENT;
	default:
		return message->flags;
	}
}

/* In our flags; 0 for those that no dump to a server has. */
static uint32_t run_flags(uint32_t flags)
{
	switch (flags) {
	case MESSAGE_PRESENT:
		return RUN_PRESENT;
	case MESSAGE_PRESENT | MESSAGE_LAZY:
		return RUN_PRESENT | RUN_LAZY;
	case MESSAGE_IN_PARENT:
		return RUN_PARENT;
	default:
		return 0;
	}
}

static int check_place(struct inbox *inbox, const struct message *message)
{
	uint64_t most = (UINT64_MAX - message->vaddr) / inbox->page_size;

	if (message->vaddr % inbox->page_size)
		return fault_set(inbox->fault,
				 "%s: pages at 0x%" PRIx64
				 ", which is within a page",
				 inbox->name, message->vaddr);
	if (!message->nr_pages || message->nr_pages > most ||
	    message->nr_pages > UINT32_MAX)
		return fault_set(inbox->fault,
				 "%s: %" PRIu64 " pages at 0x%" PRIx64
				 ", which cannot be",
				 inbox->name, message->nr_pages,
				 message->vaddr);
	if (message->vaddr < inbox->end)
		return fault_set(inbox->fault,
				 "%s: the pages at 0x%" PRIx64
				 " come behind those up to 0x%" PRIx64,
				 inbox->name, message->vaddr, inbox->end);
	return 0;
}

static int check_held(struct inbox *inbox, const struct run *run)
{
	vaddr_t missing = run->vaddr;

	if (inbox->has_parent &&
	    !pagemap_list_lacks(&inbox->held, run, inbox->page_size, &missing))
		return 0;
	return fault_set(
		inbox->fault,
		"%s: the page at 0x%" PRIx64 " is left to the parent, %s",
		inbox->name, missing,
		inbox->parent < 0 ? "and there is none: --prev-images-dir"
				  : "which does not hold it");
}

int inbox_add(struct inbox *inbox, const struct message *message,
	      uint64_t *size)
{
	struct run run = {message->vaddr, (uint32_t)message->nr_pages,
			  run_flags(flags_of(message))};

	if (!inbox->open || message->dst_id != inbox->dst_id)
		return fault_set(inbox->fault,
				 "pages of an image that is not open");
	if (!run.flags)
		return fault_set(inbox->fault,
				 "%s: pages with flags %" PRIu32
				 ", which are not known here",
				 inbox->name, flags_of(message));
	if (check_place(inbox, message) < 0 ||
	    (run.flags == RUN_PARENT && check_held(inbox, &run) < 0))
		return -1;
	inbox->end = run_end(&run, inbox->page_size);
	*size = 0;
	if (run.flags & RUN_PRESENT)
		*size = (uint64_t)run.nr_pages * inbox->page_size;
	else
		inbox->nr_parent += run.nr_pages;
	return wrote(inbox, pagemap_img_add(&inbox->img, &run));
}

int inbox_data(struct inbox *inbox, const char *data, size_t size)
{
	return wrote(inbox, pagemap_img_data(&inbox->img, data, size));
}

/* --- the end --- */

/*
 * No uptime: it is the source's, and only criu has it.  A criu that builds on
 * this inventory takes each process for a new one, and dumps it whole.
 */
static int finish(struct inbox *inbox)
{
	if (inbox->links && inbox->previous &&
	    symlinkat(inbox->previous, inbox->dir.fd, PARENT) < 0)
		return -1;
	return inventory_write(inbox->dir.fd, 0);
}

int inbox_commit(struct inbox *inbox)
{
	if (!inbox->nr_images)
		return 0;
	if (close_image(inbox) < 0)
		return -1;
	if (wrote(inbox, finish(inbox)) < 0)
		return -1;
	return wrote(inbox, image_dir_commit(&inbox->dir));
}

void inbox_release(struct inbox *inbox)
{
	if (!inbox->begun)
		return;
	pagemap_img_release(&inbox->img);
	pagemap_list_release(&inbox->held);
	inbox->open = false;
	inbox->begun = false;
	image_dir_abort(&inbox->dir);
	image_dir_close(&inbox->dir);
	if (inbox->parent >= 0)
		close(inbox->parent);
}
