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

/* The message as bytes, in out, which is emptied first; -1 with ENOMEM. */
int control_encode(const ProtobufCMessage *message, struct buf *out);

bool control_is(uint16_t kind);

/* NULL when the frame's table is not a valid message of its kind. */
ProtobufCMessage *control_decode(const struct frame *frame);

void control_free(ProtobufCMessage *message);

#endif
