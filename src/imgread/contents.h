// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which files an image directory holds, by what their names say.  Nothing of
 * them is opened here.  These functions die.
 */
#ifndef IMGREAD_CONTENTS_H
#define IMGREAD_CONTENTS_H

#include "image/type.h"

enum owner { OWNER_NONE, OWNER_TASK, OWNER_SHARED_MEMORY };

/* A file other than the pagemap of a task. */
struct other {
	const struct image_type *type;
	uint64_t id;
	enum owner owner; /* of a pages file: whose pagemap names it */
};

struct contents {
	const char *path;
	uint32_t *tasks; /* the PIDs of pagemap-PID.img, ascending */
	size_t nr_tasks;
	struct other *others; /* in the order of a stream */
	size_t nr_others;
	bool has_head; /* pagepipe.head: it is one of ours */
};

/*
 * all: every file counts.  One that should be an image and is none that is
 * known is refused then, and what is left out is said.
 */
void contents_read(struct contents *contents, int dir, const char *path,
		   bool all);

bool contents_has_task(const struct contents *contents, uint32_t pid);

/* Dies when another pagemap has named the same pages file already. */
void contents_claim_pages(struct contents *contents, uint32_t pages_id,
			  enum owner owner, const char *pagemap);

#endif
