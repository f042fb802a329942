// SPDX-License-Identifier: GPL-3.0-or-later
#include "xfer/message.h"

#include <string.h>

#define COMMAND_BITS 16
#define KIND_BITS    8
#define KIND_TASK    1
#define KIND_SHARED  2

#define PID_MAX    (4u << 20) /* PID_MAX_LIMIT, linux/threads.h */
#define PAGE_LEAST 4096u      /* bytes; all page sizes are multiples of it */

static char *put_u32(char *out, uint32_t value)
{
	memcpy(out, &value, sizeof(value));
	return out + sizeof(value);
}

static char *put_u64(char *out, uint64_t value)
{
	memcpy(out, &value, sizeof(value));
	return out + sizeof(value);
}

static uint32_t take_u32(const char **in)
{
	uint32_t value;

	memcpy(&value, *in, sizeof(value));
	*in += sizeof(value);
	return value;
}

static uint64_t take_u64(const char **in)
{
	uint64_t value;

	memcpy(&value, *in, sizeof(value));
	*in += sizeof(value);
	return value;
}

size_t message_encode(enum message_form form, const struct message *message,
		      char *out)
{
	char *at =
		put_u32(out, message->flags << COMMAND_BITS | message->command);

	if (form == MESSAGE_FORM_24) {
		at = put_u32(at, (uint32_t)message->nr_pages);
	} else {
		at = put_u32(at, 0);
		at = put_u64(at, message->nr_pages);
	}
	at = put_u64(at, message->vaddr);
	at = put_u64(at, message->dst_id);
	return (size_t)(at - out);
}

void message_decode(enum message_form form, const char *in,
		    struct message *message)
{
	uint32_t first = take_u32(&in);
	uint32_t second = take_u32(&in);

	message->command = first & ((1u << COMMAND_BITS) - 1);
	message->flags = first >> COMMAND_BITS;
	message->nr_pages = form == MESSAGE_FORM_24 ? second : take_u64(&in);
	message->vaddr = take_u64(&in);
	message->dst_id = take_u64(&in);
}

static enum message_form recognise_get(uint64_t at_8, uint64_t at_16)
{
	if (at_8 % PAGE_LEAST)
		return MESSAGE_FORM_32;
	if (at_16 % PAGE_LEAST || at_16 <= PID_MAX)
		return MESSAGE_FORM_24;
	return MESSAGE_FORM_32;
}

enum message_form message_recognise(const char *first)
{
	struct message as_24;

	message_decode(MESSAGE_FORM_24, first, &as_24);
	switch (as_24.command) {
	case MESSAGE_GET:
		return recognise_get(as_24.vaddr, as_24.dst_id);
	case MESSAGE_CLOSE:
	case MESSAGE_FORCE_CLOSE:
		return MESSAGE_FORM_24;
	default:
		return as_24.dst_id & ((1u << KIND_BITS) - 1) ? MESSAGE_FORM_24
							      : MESSAGE_FORM_32;
	}
}

/* The old kinds are criu's decode_pm()'s. */
int message_image(uint64_t dst_id, struct message_image *image)
{
	image->id = dst_id >> KIND_BITS;
	switch (dst_id & ((1u << KIND_BITS) - 1)) {
	case KIND_TASK:
	case 10:
	case 11:
	case 16:
	case 17:
		image->shared = false;
		return 0;
	case KIND_SHARED:
	case 27:
	case 28:
	case 29:
	case 32:
	case 33:
	case 34:
		image->shared = true;
		return 0;
	default:
		return -1;
	}
}

uint64_t message_dst_id(const struct message_image *image)
{
	return image->id << KIND_BITS |
	       (image->shared ? KIND_SHARED : KIND_TASK);
}

enum message_form message_form_named(const char *text)
{
	if (!strcmp(text, "24"))
		return MESSAGE_FORM_24;
	if (!strcmp(text, "32"))
		return MESSAGE_FORM_32;
	return MESSAGE_FORM_UNKNOWN;
}
