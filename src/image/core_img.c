// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/core_img.h"

#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MEMORY_MAX (64u << 20) /* bytes, for the message as it is unpacked */

/* core_entry.march of criu/images/core.proto */
enum machine { X86_64 = 1, AARCH64 = 3 };

static int bad(struct core_img *img, const char *why)
{
	img->why = why;
	errno = EBADMSG;
	return -1;
}

static int take_sp(struct core_img *img, const Criu__Core *core)
{
	switch (core->mtype) {
	case X86_64:
		img->has_sp = core->thread_info;
		if (img->has_sp)
			img->sp = core->thread_info->gpregs->sp;
		return 0;
	case AARCH64:
		img->has_sp = core->ti_aarch64;
		if (img->has_sp)
			img->sp = core->ti_aarch64->gpregs->sp;
		return 0;
	default:
		return bad(img, "it is of a machine that is not known");
	}
}

int core_img_parse(struct core_img *img, const void *data, size_t size)
{
	const char *at = data;
	const char *end = at + size;
	ProtobufCMessage *message;
	int result;

	*img = (struct core_img){0};
	if (img_take_magic(&at, end, IMG_COMMON, IMG_CORE) < 0)
		return bad(img, "it does not begin as such a file");
	if (img_take_within(&at, end, MEMORY_MAX, &criu__core__descriptor,
			    &message) <= 0)
		return bad(img, "it is cut short, damaged or larger than any");
	result = at == end ? take_sp(img, (const Criu__Core *)message)
			   : bad(img, "there is more behind its end");
	protobuf_c_message_free_unpacked(message, NULL);
	return result;
}

int core_img_read(struct core_img *img, int dir, uint32_t tid)
{
	struct buf file = {0};
	char name[32];
	int result;

	*img = (struct core_img){.why = "it is no file, or larger than any"};
	snprintf(name, sizeof(name), "core-%" PRIu32 ".img", tid);
	result = img_read_small(dir, name, CORE_IMG_MAX, &file);
	if (result == 0)
		result = core_img_parse(img, file.data, file.size);
	buf_release(&file);
	return result;
}
