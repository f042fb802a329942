// SPDX-License-Identifier: GPL-3.0-or-later
/* What was done, in a line or two for people, or as JSON for programs. */
#ifndef LAZYSERVE_SUMMARY_H
#define LAZYSERVE_SUMMARY_H

#include "lazyserve/serve.h"

void summary_print(const struct serve *serve);
/* On standard output.  -1 with errno. */
int summary_print_json(const struct serve *serve);

#endif
