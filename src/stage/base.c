// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/base.h"

#include <string.h>

struct tracker_base base_of_release(const Pagestream__Release *release)
{
	struct tracker_base base = {.wish = TRACKER_ADOPTED};

	if (!release || !release->tracker.len)
		return base;
	base.wish = TRACKER_DIRECTORY;
	base.generation = release->generation;
	memcpy(base.id, release->tracker.data, sizeof(base.id));
	return base;
}
