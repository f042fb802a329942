// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What one client sends: images, one after another, each opened and then
 * filled with pages in ascending order.  They stand in a temporary directory
 * until the client closes the session, and are then added to DIR; what is not
 * closed is thrown away.
 *
 * DIR may hold other files: criu writes its own images there when client and
 * server share it.  inventory.img, by which a directory counts as whole, is
 * made where there is none.
 *
 * -1: fault says why; the inbox is then good for inbox_release() alone.
 */
#ifndef PAGESERVE_INBOX_H
#define PAGESERVE_INBOX_H

#include "image/dir.h"
#include "image/pagemap_img.h"
#include "pageserve/fault.h"
#include "xfer/message.h"

struct inbox {
	const char *path;     /* DIR */
	const char *previous; /* --prev-images-dir, or NULL */
	uint32_t page_size;
	struct fault *fault;
	struct image_dir dir;
	bool begun;
	int parent; /* its directory; -1: there is none */
	bool links; /* the parent's link is ours to make */
	uint32_t pages_id;
	/* the image that is open */
	bool open;
	uint64_t dst_id;
	char name[48];
	struct pagemap_img img;
	vaddr_t end;              /* of the last pages */
	bool has_parent;          /* and this is its pagemap: */
	struct pagemap_list held; /* empty: there is none */
	/* of the session */
	uint64_t nr_images;
	uint64_t nr_pages;
	uint64_t nr_parent; /* pages */
};

/* Looks for the parent; the client has sent nothing yet. */
int inbox_begin(struct inbox *inbox);

/* 1 or 0, for PARENT; -1. */
int inbox_asks_parent(struct inbox *inbox, uint64_t dst_id);

/* For OPEN and OPEN2; has_parent is the answer to that. */
int inbox_open(struct inbox *inbox, uint64_t dst_id);

/* ADD, ADD_F and HOLE: how many bytes follow, in *size. */
int inbox_add(struct inbox *inbox, const struct message *message,
	      uint64_t *size);
int inbox_data(struct inbox *inbox, const char *data, size_t size);

/* Adds all of it to DIR, on the disk. */
int inbox_commit(struct inbox *inbox);

/* Undoes what is not committed. */
void inbox_release(struct inbox *inbox);

#endif
