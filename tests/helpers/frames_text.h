// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Words of text to the messages of a stream, for frames.c: by the fields'
 * own names and by those that framedump shows.  Everything here dies of a
 * text that it does not understand.
 */
#ifndef FRAMES_TEXT_H
#define FRAMES_TEXT_H

#include "base/buf.h"
#include "base/die.h"
#include "stream/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REASONS "none unmapped unreadable gone"

static void append(struct buf *buf, const void *data, size_t size)
{
	if (size && buf_append(buf, data, size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

/* The next word; its quoted parts may hold spaces. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, " \t");
	char *at = word;
	bool quoted = false;

	for (; *at && (quoted || !strchr(" \t\n", *at)); at++)
		quoted ^= *at == '"';
	*line = *at ? at + 1 : at;
	*at = 0;
	return *word ? word : NULL;
}

/* Cuts "key=value" in two; the value of "key" is "". */
static char *take_value(char *word)
{
	char *value = word + strcspn(word, "=");

	if (*value)
		*value++ = 0;
	return value;
}

static uint64_t number(const char *text, int base)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || end == text || *end)
		die(EXIT_USAGE, "'%s' is not a number", text);
	return value;
}

static void append_hex(struct buf *out, const char *text)
{
	for (; *text; text += 2) {
		char pair[3] = {text[0], text[1], 0};
		uint8_t byte = (uint8_t)number(pair, 16);

		if (!text[1])
			die(EXIT_USAGE, "half a byte");
		append(out, &byte, 1);
	}
}

/* "with \042 escapes" */
static void append_quoted(struct buf *out, const char *text)
{
	for (text++; *text && *text != '"'; text++) {
		char digits[4] = {0};
		uint8_t byte = (uint8_t)*text;

		if (*text == '\\') {
			strncpy(digits, text + 1, 3);
			byte = (uint8_t)number(digits, 8);
			text += 3;
		}
		append(out, &byte, 1);
	}
}

/* The index of text in a list of words, or the number that it is. */
static uint32_t word_index(const char *words, const char *text)
{
	size_t size = strlen(text);

	for (uint32_t i = 0; *words; i++) {
		size_t here = strcspn(words, " ");

		if (here == size && !memcmp(words, text, size))
			return i;
		words += here + (words[here] == ' ');
	}
	return (uint32_t)number(text, 0);
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessage *in,
						  const char *key)
{
	static const char *const shown[][2] = {
		{"boot", "boot_id"},      {"start", "start_time"},
		{"living", "living_tid"}, {"resident", "resident_pages"},
		{"vma", "vmas"},          {"base", "base_generation"},
		{"thread", "threads"},
	};
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(in->descriptor,
								key);

	for (size_t i = 0; !field && i < sizeof(shown) / sizeof(*shown); i++)
		if (!strcmp(key, shown[i][0]))
			field = protobuf_c_message_descriptor_get_field_by_name(
				in->descriptor, shown[i][1]);
	if (!field)
		die(EXIT_USAGE, "%s has no '%s'", in->descriptor->name, key);
	return field;
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *message = calloc(1, type->sizeof_message);

	if (!message)
		die(EXIT_SYSTEM, "no memory");
	protobuf_c_message_init(type, message);
	return message;
}

/* One more element, of size bytes, of a repeated field. */
static void *grow(ProtobufCMessage *in, const ProtobufCFieldDescriptor *field,
		  size_t size)
{
	size_t *nr = (size_t *)((char *)in + field->quantifier_offset);
	char **list = (char **)((char *)in + field->offset);

	*list = realloc(*list, (*nr + 1) * size);
	if (!*list)
		die(EXIT_SYSTEM, "no memory");
	return *list + size * (*nr)++;
}

static ProtobufCMessage *add_message(ProtobufCMessage *in, const char *name)
{
	const ProtobufCFieldDescriptor *field = find_field(in, name);
	ProtobufCMessage **at =
		field->label == PROTOBUF_C_LABEL_REPEATED
			? grow(in, field, sizeof(*at))
			: (ProtobufCMessage **)((char *)in + field->offset);

	return *at = new_message(field->descriptor);
}

static uint32_t small_number(const ProtobufCFieldDescriptor *field,
			     const char *value)
{
	static const char *const words[][2] = {
		{"mode", "never-stopped pre-dump consistent"},
		{"tracking", "none uffd soft-dirty"},
		{"scan", "none scan pagemap"},
		{"stage", "none freeze vmalist thaw memread imgread other"},
		{"outcome", "whole gone"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(field->name, words[i][0]))
			return word_index(words[i][1], value);
	return (uint32_t)number(
		value, field->type == PROTOBUF_C_TYPE_FIXED32 ? 16 : 0);
}

static void set_list(ProtobufCMessage *in,
		     const ProtobufCFieldDescriptor *field, char *value)
{
	for (char *one = strtok(value, ","); one; one = strtok(NULL, ","))
		*(uint32_t *)grow(in, field, 4) = (uint32_t)number(one, 0);
}

static void set_field(ProtobufCMessage *in, const char *key, char *value)
{
	const ProtobufCFieldDescriptor *field = find_field(in, key);
	void *at = (char *)in + field->offset;
	struct buf bytes = {0};

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		set_list(in, field, value);
	} else if (field->type == PROTOBUF_C_TYPE_UINT64) {
		*(uint64_t *)at = number(value, 0);
	} else if (field->type == PROTOBUF_C_TYPE_STRING) {
		*(char **)at = strdup(strcmp(value, "-") ? value : "");
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		(*value == '"' ? append_quoted : append_hex)(&bytes, value);
		*(ProtobufCBinaryData *)at = (ProtobufCBinaryData){
			bytes.size, (uint8_t *)bytes.data};
	} else {
		*(uint32_t *)at = small_number(field, value);
	}
}

/* key=value, where dev= and skip:REASON= stand for two fields each. */
static void set_word(ProtobufCMessage *in, char *key)
{
	char *value = take_value(key);

	if (!strcmp(key, "dev")) {
		Pagestream__Vma *vma = (Pagestream__Vma *)in;
		char *minor = strtok(value, ":") ? strtok(NULL, ":") : NULL;

		vma->dev_major = (uint32_t)number(value, 16);
		vma->dev_minor = (uint32_t)number(minor ? minor : "", 16);
	} else if (!strncmp(key, "skip:", 5)) {
		in = add_message(in, "skipped");
		((Pagestream__Skipped *)in)->reason =
			word_index(REASONS, key + 5);
		set_field(in, "pages", value);
	} else {
		set_field(in, key, value);
	}
}

/* 0x1000-0x2000 rw-p anon */
static void set_mapping(Pagestream__Vma *vma, char **line)
{
	char *from = next_word(line);
	char *prot = next_word(line);
	char *kind = next_word(line);

	if (!kind)
		die(EXIT_USAGE, "half a vma");
	for (size_t i = 0; prot[i]; i++)
		vma->prot |= prot[i] == "rwxs"[i] ? 1u << i : 0;
	vma->kind =
		word_index("none anon file vdso shared kernel device", kind);
	vma->end = number(from + strcspn(from, "-") + 1, 0);
	from[strcspn(from, "-")] = 0;
	vma->start = number(from, 0);
}

#endif
