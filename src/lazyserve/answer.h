// SPDX-License-Identifier: GPL-3.0-or-later
/* The faults that a memory has noted are answered. */
#ifndef LAZYSERVE_ANSWER_H
#define LAZYSERVE_ANSWER_H

#include "lazyserve/serve.h"

void answer_faults(struct serve *serve, struct memory *memory);

#endif
