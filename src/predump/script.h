// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A plan as text for the shell: what --dry-run prints.
 */
#ifndef PREDUMP_SCRIPT_H
#define PREDUMP_SCRIPT_H

#include "predump/plan.h"

/* argument, quoted where sh(1) needs it. */
const char *script_quote(const char *argument);

/* A command under that name, with its arguments. */
const char *script_words(const char *name, const struct command *command);

/* "[ -d DIR ] || mkdir -m 700 DIR" */
const char *script_directory(const char *dir);

/* Writes to stdout; dies. */
void script_print(const struct plan *plan);

#endif
