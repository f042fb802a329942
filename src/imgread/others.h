// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The files of a directory that are not the memory of a task: checked, and
 * given out as IMAGE frames.  These functions die.
 */
#ifndef IMGREAD_OTHERS_H
#define IMGREAD_OTHERS_H

#include "image/chain.h"
#include "imgread/contents.h"
#include "stage/stage.h"

struct others {
	struct chain *chain;
	struct contents *contents;
	uint32_t page_size;
	bool flatten; /* what has pages in a parent is refused */
};

/*
 * That each begins as it should, and that the pagemaps of shared memory hold.
 * The tasks' pagemaps have claimed their pages files before.
 */
void others_check(struct others *others);
void others_send(struct others *others, struct stage *stage);

#endif
