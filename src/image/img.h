// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The framing of CRIU's image files: one or two magic numbers, then messages
 * of { u32 length, packed protobuf }, all in the host's byte order.
 * inventory.img has its own magic alone; other images have the common one
 * first, service files (stats-dump) the service one.  -1 with errno.
 */
#ifndef IMAGE_IMG_H
#define IMAGE_IMG_H

#include "base/buf.h"

#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

enum img_magic {
	IMG_COMMON = 0x54564319,
	IMG_SERVICE = 0x55105940,
	IMG_INVENTORY = 0x58313116,
	IMG_PAGEMAP = 0x56084025,
	IMG_STATS = 0x57093306,
	IMG_PSTREE = 0x50273030,
	IMG_CORE = 0x55053847,
	IMG_MM = 0x57492820,
};

/* A new file below dir, mode 0600; never follows or replaces anything. */
int img_create(int dir, const char *name);

/* Appends the magic numbers; first may be 0. */
int img_put_magic(struct buf *out, uint32_t first, uint32_t second);
int img_put(struct buf *out, const ProtobufCMessage *message);

/* Creates name with the content of out, synced. */
int img_write_file(int dir, const char *name, const struct buf *out);

/*
 * All of a file, appended to out; EBADMSG when it has more than max bytes, or
 * is none (a directory, a pipe that nobody writes to).
 */
int img_read_small(int dir, const char *name, size_t max, struct buf *out);

/* Opens a file to read from; the same. */
int img_open(int dir, const char *name);

/*
 * Takes the next message of a file read into memory: *at moves on.  1 with a
 * message, which the caller frees; 0 at the end; -1 with EBADMSG, also for one
 * that would take more than memory bytes: in a hostile one each two bytes can
 * become a hundred.
 */
int img_take_magic(const char **at, const char *end, uint32_t first,
		   uint32_t second);
int img_take_within(const char **at, const char *end, size_t memory,
		    const ProtobufCMessageDescriptor *type,
		    ProtobufCMessage **message);

#endif
