// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A plan as text for the shell: what --dry-run prints.
 */
#ifndef PREDUMP_SCRIPT_H
#define PREDUMP_SCRIPT_H

#include "predump/plan.h"

/* argument, quoted where sh(1) needs it. */
const char *script_quote(const char *argument);

/* Writes to stdout; dies. */
void script_print(const struct plan *plan);

#endif
