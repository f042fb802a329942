// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a session does with a message.  -1: the session's fault says why.
 */
#ifndef PAGESERVE_ANSWER_H
#define PAGESERVE_ANSWER_H

#include "pageserve/session.h"

/* The whole message that stands in the session's head. */
int answer_head(struct session *session);

#endif
