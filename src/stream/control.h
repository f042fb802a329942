// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Control messages: the protobuf tables of HELLO, TASK, RELEASE, THAWED, VMAS
 * and END.  control_decode() gives back only messages that make sense in
 * themselves (a page size that is one, a task with a thread, bounded names);
 * what it returns is freed by control_free().
 */
#ifndef STREAM_CONTROL_H
#define STREAM_CONTROL_H

#include "base/buf.h"
#include "stream/frame.h"
#include "stream/pagestream.pb-c.h"

#define CONTROL_VERSION 0 /* minor */

/*
 * Bytes that a message of so many may take once it is unpacked.  A thread of
 * 17 bytes takes some 100, and so does an empty one, of two.
 */
#define CONTROL_MEMORY(size) ((8u << 20) + 8 * (size_t)(size))

/* The message as bytes, in out, which is emptied first; -1 with ENOMEM. */
int control_encode(const ProtobufCMessage *message, struct buf *out);

bool control_is(uint16_t kind);

/*
 * NULL when the frame's table is not a valid message of its kind; with ENOMEM
 * when it would take more than CONTROL_MEMORY, otherwise EBADMSG.
 */
ProtobufCMessage *control_decode(const struct frame *frame);

void control_free(ProtobufCMessage *message);

#endif
