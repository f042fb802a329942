// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 4096
#define PIECE_BYTES    8 /* that malloc(3) adds to each piece */

int control_encode(const ProtobufCMessage *message, struct buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	out->size = 0;
	if (buf_reserve(out, size + 1) < 0)
		return -1;
	out->size = protobuf_c_message_pack(message, (uint8_t *)out->data);
	return 0;
}

static bool id_is_valid(const ProtobufCBinaryData *id)
{
	return id->len == 16;
}

/* A name of the abstract namespace that fits into a sockaddr_un. */
static bool socket_is_valid(const char *name)
{
	size_t size = strlen(name);

	for (const char *c = name; *c; c++)
		if (*c < '!' || *c > '~')
			return false;
	return size < 100;
}

static bool pids_are_valid(const uint32_t *pids, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!pids[i] || pids[i] > INT32_MAX)
			return false;
	return true;
}

static bool hello_is_valid(const Pagestream__Hello *hello)
{
	uint32_t size = hello->page_size;

	return size >= 512 && size <= 1u << 20 && !(size & (size - 1)) &&
	       id_is_valid(&hello->session) && id_is_valid(&hello->boot_id) &&
	       hello->machine.len <= 256 && hello->host.len <= 256 &&
	       hello->writer.len <= 256 && hello->mode >= 0 &&
	       hello->mode <= PAGESTREAM__MODE__CONSISTENT &&
	       socket_is_valid(hello->keeper) &&
	       socket_is_valid(hello->tracker) &&
	       pids_are_valid(hello->named, hello->n_named);
}

static bool task_is_valid(const Pagestream__Task *task)
{
	for (size_t i = 0; i < task->n_threads; i++)
		if (!task->threads[i]->tid || task->threads[i]->tid > INT32_MAX)
			return false;
	return task->pid && task->pid <= INT32_MAX && task->ns_pid &&
	       task->ns_pid <= INT32_MAX && task->living_tid &&
	       task->living_tid <= INT32_MAX && task->n_threads &&
	       task->name.len <= NAME_MAX_BYTES;
}

static bool release_is_valid(const Pagestream__Release *release)
{
	return release->clk_tck && release->clk_tck <= 1000000 &&
	       (!release->tracker.len || id_is_valid(&release->tracker)) &&
	       (release->tracker.len || !release->generation) &&
	       (!release->base_generation ||
		release->base_generation < release->generation);
}

static bool vmas_are_valid(const Pagestream__Vmas *vmas)
{
	uint64_t low = 0;

	for (size_t i = 0; i < vmas->n_vmas; i++) {
		const Pagestream__Vma *vma = vmas->vmas[i];

		if (vma->start < low || vma->end <= vma->start ||
		    vma->name.len > NAME_MAX_BYTES)
			return false;
		low = vma->end;
	}
	return true;
}

/* It is searched as a string. */
static bool maps_are_valid(const Pagestream__Maps *maps)
{
	return maps->text.len && !memchr(maps->text.data, 0, maps->text.len);
}

static bool end_is_valid(const Pagestream__End *end)
{
	return end->totals;
}

static const ProtobufCMessageDescriptor *descriptor_of(uint16_t kind)
{
	switch (kind) {
	case KIND_HELLO:
		return &pagestream__hello__descriptor;
	case KIND_TASK:
		return &pagestream__task__descriptor;
	case KIND_MAPS:
		return &pagestream__maps__descriptor;
	case KIND_RELEASE:
	case KIND_THAWED:
		return &pagestream__release__descriptor;
	case KIND_VMAS:
		return &pagestream__vmas__descriptor;
	case KIND_END:
		return &pagestream__end__descriptor;
	default:
		return NULL;
	}
}

bool control_is(uint16_t kind)
{
	return descriptor_of(kind);
}

static bool message_is_valid(uint16_t kind, const ProtobufCMessage *message)
{
	switch (kind) {
	case KIND_HELLO:
		return hello_is_valid((const Pagestream__Hello *)message);
	case KIND_TASK:
		return task_is_valid((const Pagestream__Task *)message);
	case KIND_MAPS:
		return maps_are_valid((const Pagestream__Maps *)message);
	case KIND_VMAS:
		return vmas_are_valid((const Pagestream__Vmas *)message);
	case KIND_END:
		return end_is_valid((const Pagestream__End *)message);
	default:
		return release_is_valid((const Pagestream__Release *)message);
	}
}

/* What is freed meanwhile is little, and not given back. */
static void *reserve(void *left, size_t size)
{
	if (size + PIECE_BYTES > *(size_t *)left) {
		*(size_t *)left = 0;
		return NULL;
	}
	*(size_t *)left -= size + PIECE_BYTES;
	return malloc(size);
}

static void release(void *unused, void *data)
{
	(void)unused;
	free(data);
}

ProtobufCMessage *control_decode(const struct frame *frame)
{
	const ProtobufCMessageDescriptor *type = descriptor_of(frame->kind);
	size_t left = CONTROL_MEMORY(frame->table_size);
	ProtobufCAllocator allocator = {reserve, release, &left};
	ProtobufCMessage *message =
		type ? protobuf_c_message_unpack(type, &allocator,
						 frame->table_size,
						 frame->table)
		     : NULL;

	if (message && message_is_valid(frame->kind, message))
		return message;
	errno = message || left ? EBADMSG : ENOMEM;
	control_free(message);
	return NULL;
}

void control_free(ProtobufCMessage *message)
{
	int error = errno;

	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
	errno = error;
}
