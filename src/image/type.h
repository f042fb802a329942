// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the files of an image directory are: a closed table, as CRIU's own
 * (criu/image-desc.c), of a number, a form of name and a magic number.  A
 * stream carries the number and an id; the name is made from the table and
 * nothing else, so that nothing from a stream ever becomes a path.
 *
 * The pagemaps of tasks are not in it: what they say goes as runs.
 */
#ifndef IMAGE_TYPE_H
#define IMAGE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_NAME_SIZE 64

/* Types that are more than a file to be carried. */
enum image_type_number {
	IMAGE_INVENTORY = 1,
	IMAGE_PSTREE = 2,
	IMAGE_CORE = 3,
	IMAGE_MM = 5,
	IMAGE_SHMEM_PAGEMAP = 59,
	IMAGE_IRMAP_CACHE = 60,
	IMAGE_PAGES = 100,
};

enum image_id {
	ID_NONE,    /* there is one such file; id 0 */
	ID_DECIMAL, /* 32 bits */
	ID_HEX,     /* 32 bits */
	ID_LONG,    /* 64 bits, decimal */
};

struct image_type {
	uint32_t number;
	const char *name; /* with N for the id */
	enum image_id form;
	uint32_t magic; /* 0: none */
};

/* NULL for a name that no type has. */
const struct image_type *image_type_of(const char *name, uint64_t *id);
const struct image_type *image_type_numbered(uint32_t number);

/* Into out, IMAGE_NAME_SIZE bytes; -1 for an id that the type cannot have. */
int image_type_name(const struct image_type *type, uint64_t id, char *out);

/* Does such a file begin like this?  8 bytes are enough to tell. */
bool image_type_begins(const struct image_type *type, const void *data,
		       size_t size);

#endif
