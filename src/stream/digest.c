// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/digest.h"

#include <isa-l/crc.h>

void digest_begin(struct digest *digest)
{
	XXH3_64bits_reset(&digest->state);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
	XXH3_64bits_update(&digest->state, data, size);
}

uint64_t digest_end(const struct digest *digest)
{
	return XXH3_64bits_digest(&digest->state);
}

/* isa-l leaves the two inversions of CRC-32C (RFC 3720, B.4) to its caller. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return ~crc32_iscsi((unsigned char *)data, (int)size, ~crc);
}
