// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The source that is a page server: pageserve(1), `criu page-server
 * --lazy-pages` or `criu dump --lazy-pages`.  What is asked for arrives in the
 * order of the asking, so what is not urgent is asked for only as long as
 * little is under way.
 */
#ifndef LAZYSERVE_REMOTE_H
#define LAZYSERVE_REMOTE_H

#include "lazyserve/source.h"
#include "xfer/client.h"

struct remote {
	struct source source;
	struct client client;
	struct wish *wishes; /* a ring, as that of the client */
	size_t first, nr;
	uint64_t under_way; /* pages */
	const char *name;   /* for messages */
};

/* -1 with errno. */
int remote_begin(struct remote *remote, int in, int out, const char *name,
		 enum message_form form, uint32_t page_size);
/* Tells the server that it may end, and waits until it has, for a while. */
void remote_end(struct remote *remote);

#endif
