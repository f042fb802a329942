// SPDX-License-Identifier: GPL-3.0-or-later
/* What kit_run() does about memory: kit_peak() and kit_free() have it then. */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

void memory_begin(void);
void memory_end(void);

#endif
