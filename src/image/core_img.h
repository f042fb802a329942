// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core-TID.img: of a thread as CRIU has dumped it, no more than its stack
 * pointer.  -1 with errno; EBADMSG for a file that is refused: then `why` says
 * why.
 */
#ifndef IMAGE_CORE_IMG_H
#define IMAGE_CORE_IMG_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_IMG_MAX (8u << 20) /* bytes: pending signals may be many */

struct core_img {
	bool has_sp; /* a zombie has no registers */
	vaddr_t sp;
	const char *why; /* after a failure with EBADMSG, and only then */
};

/* From dir's file, or from the bytes of one. */
int core_img_read(struct core_img *img, int dir, uint32_t tid);
int core_img_parse(struct core_img *img, const void *data, size_t size);

#endif
