// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The two checksums of the stream: CRC-32C over heads and tables (isa-l),
 * XXH3-64 over bodies (xxhash).  Both guard against accidents, not against
 * an attacker; for that, put age, gpg or ssh into the pipe.
 */
#ifndef STREAM_DIGEST_H
#define STREAM_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define XXH_STATIC_LINKING_ONLY /* a state without an allocation */
#include <xxhash.h>
#ifdef __x86_64__
/* With AVX2 where the CPU has it: by itself the library, which is built for
 * every x86-64, takes 4 times as long (xxh_x86dispatch.h, "dispatch"). */
#include <xxh_x86dispatch.h>
#endif

struct digest {
	XXH3_state_t state;
};

void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t size);
uint64_t digest_end(const struct digest *digest);

/* Goes on from an earlier crc; the first one is 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
