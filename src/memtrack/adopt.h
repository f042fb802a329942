// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Taking a directory for the first round of a record: one that CRIU has
 * written, or a pagepipe whose tracker has ended.  That nobody has cleared the
 * soft-dirty bits since is the user's word.  These functions die.
 */
#ifndef MEMTRACK_ADOPT_H
#define MEMTRACK_ADOPT_H

#include "memtrack/record.h"

#include "base/buf.h"

/* pids: pid_t, the processes that live now. */
void adopt(struct record *record, const char *path, const struct buf *pids);

#endif
