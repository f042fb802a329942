// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The IMAGE frames of a stream: all are passed on, and pstree.img, core-TID.img
 * and mm-PID.img are read on the way.  They come in this order, by their types,
 * and before all pages.  What they say of a task goes before what its VMAS
 * frames say.  These functions die.
 */
#ifndef MAKELAZY_IMAGES_H
#define MAKELAZY_IMAGES_H

#include "image/pstree_img.h"
#include "image/type.h"
#include "makelazy/tasks.h"
#include "stage/stage.h"

struct stack {
	uint32_t tid;
	bool has_sp;
	vaddr_t sp;
};

struct images {
	struct buf file; /* the one that is being read */
	char *data;      /* a piece */
	bool has_tree;   /* it is a whole dump, not memory alone */
	struct pstree_img tree;
	struct stack *stacks; /* ascending by tid */
	size_t nr_stacks;
};

/* The IMAGE frame that stage gave last. */
void images_take(struct images *images, struct stage *stage,
		 struct tasks *tasks);

#endif
