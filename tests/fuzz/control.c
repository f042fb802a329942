// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The payload of each control frame, protobuf, behind a head that is right.
 *
 *   byte 0   which kind
 *   rest     the table
 */
#include "kit/kit.h"

#include "stream/control.h"

#include <string.h>

static const uint16_t kinds[] = {KIND_HELLO,   KIND_TASK,   KIND_MAPS,
				 KIND_RELEASE, KIND_THAWED, KIND_VMAS,
				 KIND_END};

struct decoding {
	struct frame frame;
	ProtobufCMessage *message;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static void decode(void *of)
{
	struct decoding *decoding = of;

	decoding->message = control_decode(&decoding->frame);
}

static void check_task(const Pagestream__Task *task)
{
	kit_must(task->n_threads > 0, "a task has a thread");
	for (size_t i = 0; i < task->n_threads; i++)
		kit_must(task->threads[i]->tid &&
				 task->threads[i]->tid <= INT32_MAX,
			 "a thread's id is one");
}

static void check_vmas(const Pagestream__Vmas *vmas)
{
	for (size_t i = 0; i < vmas->n_vmas; i++)
		kit_must(vmas->vmas[i]->start < vmas->vmas[i]->end &&
				 (!i || vmas->vmas[i]->start >=
						vmas->vmas[i - 1]->end),
			 "mappings ascend");
}

static void check(const struct decoding *decoding)
{
	const ProtobufCMessage *message = decoding->message;

	switch (decoding->frame.kind) {
	case KIND_HELLO:
		kit_must(strlen(((const Pagestream__Hello *)message)->keeper) <
				 100,
			 "a socket's name fits");
		break;
	case KIND_TASK:
		check_task((const Pagestream__Task *)message);
		break;
	case KIND_VMAS:
		check_vmas((const Pagestream__Vmas *)message);
		break;
	case KIND_END:
		kit_must(((const Pagestream__End *)message)->totals,
			 "END has totals");
		break;
	}
}

/* As tools do that change one: written, and read by the next one. */
static void check_again(const struct decoding *decoding)
{
	struct decoding again = {.frame = decoding->frame};
	struct buf out = {0};

	kit_must(control_encode(decoding->message, &out) == 0,
		 "what was read can be written");
	again.frame.table = (const uint8_t *)out.data;
	again.frame.table_size = (uint32_t)out.size;
	again.message = control_decode(&again.frame);
	control_free(again.message);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	struct decoding decoding = {0};

	decoding.frame.kind =
		kinds[kit_byte(&input) % (sizeof(kinds) / sizeof(*kinds))];
	decoding.frame.table = input.data;
	decoding.frame.table_size = (uint32_t)input.size;
	kit_run(decode, &decoding);
	kit_must(kit_peak() <= CONTROL_MEMORY(input.size),
		 "a message takes what its size allows");
	if (!decoding.message)
		return 0;
	check(&decoding);
	check_again(&decoding);
	control_free(decoding.message);
	return 0;
}
