// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The files of a directory that come as they are, as IMAGE frames.  What a
 * file is called follows from the table of image/type.h and the id alone.
 * inventory.img is kept back: it is written last, in its own time.  These
 * functions die.
 */
#ifndef IMGWRITE_OTHERS_H
#define IMGWRITE_OTHERS_H

#include "base/buf.h"
#include "image/type.h"
#include "stage/stage.h"

struct others {
	int dir;                       /* where the images go */
	const struct image_type *type; /* of the file that is open, or NULL */
	int fd;                        /* -1: inventory.img */
	char name[IMAGE_NAME_SIZE];
	struct buf inventory; /* empty: none came */
	uint32_t *pages;      /* the N of each pages-N.img, ascending */
	size_t nr_pages;
	uint32_t nr; /* files */
};

/* The IMAGE frame that stage gave last. */
void others_write(struct others *others, struct stage *stage);

/* The smallest N behind last that no pages-N.img has. */
uint32_t others_next_pages(const struct others *others, uint32_t last);

#endif
