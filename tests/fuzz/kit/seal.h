// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Page streams out of bytes in which nobody has had luck with a checksum: what
 * looks like frames, one behind another and without the magic, becomes a
 * stream in which each checksum and digest is right.  All else stays as it is,
 * and so does what is behind the first frame that is longer than the bytes.
 */
#ifndef FUZZ_SEAL_H
#define FUZZ_SEAL_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends to out; -1 with ENOMEM. */
int seal(struct buf *out, const uint8_t *data, size_t size);

/* A descriptor to read a stream from: the bytes, sealed or as they are. */
int seal_reader(const uint8_t *data, size_t size, bool sealed);

/* What somebody else than the tool says of the stream, from its beginning. */
bool seal_is_whole(int fd);

#endif
