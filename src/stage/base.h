// SPDX-License-Identifier: GPL-3.0-or-later
/* Which round a stream, or the head of a directory, says that it is. */
#ifndef STAGE_BASE_H
#define STAGE_BASE_H

#include "proc/tracker.h"
#include "stream/control.h"

/* TRACKER_DIRECTORY; or TRACKER_ADOPTED where it is of no tracker, or NULL. */
struct tracker_base base_of_release(const Pagestream__Release *release);

#endif
