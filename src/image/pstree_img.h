// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pstree.img: the processes of an image directory and their threads, whose
 * numbers name the other files.  A process that stands there twice, or a
 * number that cannot be one, is refused.  -1 with errno; EBADMSG for a file
 * that is refused: then `why` says why.
 */
#ifndef IMAGE_PSTREE_IMG_H
#define IMAGE_PSTREE_IMG_H

#include <stddef.h>
#include <stdint.h>

#define PSTREE_IMG_MAX (32u << 20) /* bytes: more than there are thread ids */

struct pstree_task {
	uint32_t pid;   /* in its innermost pid namespace */
	uint32_t *tids; /* the leader's is one of them */
	size_t nr_tids;
};

struct pstree_img {
	struct pstree_task *tasks; /* ascending by pid */
	size_t nr;
	const char *why; /* after a failure with EBADMSG, and only then */
};

/* From dir's file, or from the bytes of one. */
int pstree_img_read(struct pstree_img *img, int dir);
int pstree_img_parse(struct pstree_img *img, const void *data, size_t size);
void pstree_img_release(struct pstree_img *img);

/* NULL: there is none. */
const struct pstree_task *pstree_img_find(const struct pstree_img *img,
					  uint32_t pid);

#endif
