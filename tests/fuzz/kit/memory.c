// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * malloc(3) and its like, linked (ld's --wrap) into each target; and what
 * libprotobuf-c reserves and frees by itself, which ld does not see.
 */
#include "kit/memory.h"

#include "kit/kit.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include <protobuf-c/protobuf-c.h>

#define PLACES (1u << 14) /* pieces at a time; more are not counted */
#define TRIES  64

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t nr, size_t size);
void __real_free(void *data);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t nr, size_t size);
void __wrap_free(void *data);
char *__wrap_strdup(const char *text);
ProtobufCMessage *__real_protobuf_c_message_unpack(
	const ProtobufCMessageDescriptor *type, ProtobufCAllocator *allocator,
	size_t size, const uint8_t *data);
ProtobufCMessage *__wrap_protobuf_c_message_unpack(
	const ProtobufCMessageDescriptor *type, ProtobufCAllocator *allocator,
	size_t size, const uint8_t *data);
void __real_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
					     ProtobufCAllocator *allocator);
void __wrap_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
					     ProtobufCAllocator *allocator);

static void *pieces[PLACES];
static size_t present, peak;
static bool counting;

static void **place_of(const void *data, const void *wanted)
{
	size_t at = ((uintptr_t)data >> 4) * 0x9e3779b97f4a7c15u >> 32;

	for (size_t i = 0; i < TRIES; i++)
		if (pieces[(at + i) % PLACES] == wanted)
			return &pieces[(at + i) % PLACES];
	return NULL;
}

static void *note(void *data)
{
	void **place = data && counting ? place_of(data, NULL) : NULL;

	if (!place)
		return data;
	*place = data;
	present += malloc_usable_size(data);
	if (present > peak)
		peak = present;
	return data;
}

static void forget(void *data)
{
	void **place = data ? place_of(data, data) : NULL;

	if (!place)
		return;
	*place = NULL;
	present -= malloc_usable_size(data);
}

void memory_begin(void)
{
	for (size_t i = 0; i < PLACES; i++)
		pieces[i] = NULL;
	present = peak = 0;
	counting = true;
}

void memory_end(void)
{
	counting = false;
}

size_t kit_peak(void)
{
	return peak;
}

void kit_free(void)
{
	for (size_t i = 0; i < PLACES; i++) {
		__real_free(pieces[i]);
		pieces[i] = NULL;
	}
}

void *__wrap_malloc(size_t size)
{
	return note(__real_malloc(size));
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return note(__real_calloc(nr, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	forget(old);
	return note(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t nr, size_t size)
{
	forget(old);
	return note(__real_reallocarray(old, nr, size));
}

void __wrap_free(void *data)
{
	forget(data);
	__real_free(data);
}

char *__wrap_strdup(const char *text)
{
	return note(__real_strdup(text));
}

static void *reserve(void *unused, size_t size)
{
	(void)unused;
	return __wrap_malloc(size);
}

static void release(void *unused, void *data)
{
	(void)unused;
	__wrap_free(data);
}

static ProtobufCAllocator counted = {reserve, release, NULL};

ProtobufCMessage *__wrap_protobuf_c_message_unpack(
	const ProtobufCMessageDescriptor *type, ProtobufCAllocator *allocator,
	size_t size, const uint8_t *data)
{
	return __real_protobuf_c_message_unpack(
		type, allocator ? allocator : &counted, size, data);
}

void __wrap_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
					     ProtobufCAllocator *allocator)
{
	__real_protobuf_c_message_free_unpacked(message, allocator ? allocator
								   : &counted);
}
