// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/releaser.h"

#include "base/num.h"
#include "proc/host.h"
#include "proc/lease.h"
#include "proc/urgent.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void releaser_need_live(const Pagestream__Hello *hello, const char *what)
{
	struct host_boot_id id = {0};

	if (!*hello->keeper)
		die(EXIT_USAGE,
		    "this stream was made from files, nothing is "
		    "stopped: %s is for live processes",
		    what);
	if (host_boot_id(&id) < 0)
		die_errno(EXIT_SYSTEM, "cannot tell which machine this is");
	if (memcmp(hello->boot_id.data, id.bytes, sizeof(id.bytes)))
		die(EXIT_INPUT,
		    "this stream comes from another machine, or from before "
		    "this one was started: %s runs beside the target",
		    what);
}

/* How old what was released may be when it is read; it is some ms. */
#define FRESH_US 60000000u

void releaser_need_fresh(const Pagestream__Release *release)
{
	uint64_t now_us = host_uptime_us();

	if (release->uptime_us <= now_us &&
	    now_us - release->uptime_us < FRESH_US)
		return;
	die(EXIT_INPUT,
	    "this stream is not live any more: its target was stopped more "
	    "than a minute ago, and its memory is another now");
}

void releaser_greet(struct releaser *releaser, struct stage *stage)
{
	Pagestream__Hello *hello = stage->in.hello;

	hello->leased = 1;
	stage_control(stage, KIND_HELLO, 0, &hello->base);
	releaser->lease = lease_take(hello->keeper,
				     hello->hold ? LEASE_HOLD : LEASE_BRIEF);
	if (releaser->lease < 0 && errno == EBUSY)
		die(EXIT_USAGE, "another stage releases already");
	if (releaser->lease < 0 && errno == EACCES)
		die(EXIT_SYSTEM,
		    "the keeper does not serve this user: run the stages up "
		    "to the release as the same user as freeze");
	if (releaser->lease < 0)
		die(EXIT_INPUT, "freeze has gone: this stream is not live "
				"any more");
	die_closes(releaser->lease);
	if (hello->hold)
		urgent_begin(URGENT_WORK);
}

void releaser_thaw(struct releaser *releaser, struct stage *stage,
		   Pagestream__Release *release)
{
	if (lease_thaw(releaser->lease, &releaser->stopped_ns) < 0)
		die(EXIT_TARGET, "the target was not stopped all the time: "
				 "it was killed, or its keeper was");
	close(releaser->lease);
	releaser->lease = -1;
	urgent_end();
	release->stopped_ns = releaser->stopped_ns;
	stage_control(stage, KIND_THAWED, 0, &release->base);
}
