// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Little-endian numbers at a cursor that moves on.  The caller has checked
 * that they fit.
 */
#ifndef STREAM_WIRE_H
#define STREAM_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put_u16(uint8_t **at, uint16_t value)
{
	value = htole16(value);
	memcpy(*at, &value, sizeof(value));
	*at += sizeof(value);
}

static inline void put_u32(uint8_t **at, uint32_t value)
{
	value = htole32(value);
	memcpy(*at, &value, sizeof(value));
	*at += sizeof(value);
}

static inline void put_u64(uint8_t **at, uint64_t value)
{
	value = htole64(value);
	memcpy(*at, &value, sizeof(value));
	*at += sizeof(value);
}

static inline uint16_t get_u16(const uint8_t **at)
{
	uint16_t value;

	memcpy(&value, *at, sizeof(value));
	*at += sizeof(value);
	return le16toh(value);
}

static inline uint32_t get_u32(const uint8_t **at)
{
	uint32_t value;

	memcpy(&value, *at, sizeof(value));
	*at += sizeof(value);
	return le32toh(value);
}

static inline uint64_t get_u64(const uint8_t **at)
{
	uint64_t value;

	memcpy(&value, *at, sizeof(value));
	*at += sizeof(value);
	return le64toh(value);
}

#endif
