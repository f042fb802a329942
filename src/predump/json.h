// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The summary for a program: one object on one line; predump(1) has its names.
 */
#ifndef PREDUMP_JSON_H
#define PREDUMP_JSON_H

#include "predump/summary.h"

#include <stdio.h>

void json_print(const struct summary *summary, FILE *out);

#endif
