// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A stage between memread and whatever is slow: what memread has read of a
 * stopped target waits in memory here, so that the target is not stopped for
 * as long as the network or the disk takes.
 */
#ifndef PREDUMP_SPOOL_H
#define PREDUMP_SPOOL_H

#include <stdint.h>

#define SPOOL_DEFAULT (256u << 20) /* bytes */

/*
 * Standard input to standard output, with so many bytes between them at most;
 * ends the process as a stage does.
 */
_Noreturn void spool_run(uint64_t size);

#endif
