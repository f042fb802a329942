// SPDX-License-Identifier: GPL-3.0-or-later
#include "memread/confirm.h"

#include "stage/base.h"

#include <unistd.h>

static _Noreturn void no_answer(void)
{
	die(EXIT_TARGET, "memtrack has ended, with the target or without it");
}

static void ask(const struct confirm *confirm)
{
	int answer = tracker_confirm(confirm->tracker, &confirm->round);

	if (answer < 0)
		no_answer();
	if (answer == 0)
		die(EXIT_INPUT, "a later round of this target was begun: this "
				"listing is too old to be read");
}

void confirm_begin(struct confirm *confirm, const Pagestream__Hello *hello,
		   const Pagestream__Release *release)
{
	if (!release->generation)
		return;
	confirm->round = base_of_release(release);
	confirm->tracker = tracker_connect(hello->tracker);
	if (confirm->tracker < 0)
		die(EXIT_INPUT,
		    "the memtrack of this round has ended: this listing is "
		    "too old to be read");
	ask(confirm);
}

void confirm_end(struct confirm *confirm, const struct sources *sources)
{
	if (confirm->tracker < 0)
		return;
	for (uint32_t i = 0; i < sources->nr; i++) {
		const struct tracker_task *skipped = &sources->all[i].skipped;

		if (skipped->report.nr &&
		    tracker_skipped(confirm->tracker, confirm->round.generation,
				    skipped) < 0)
			no_answer();
	}
	ask(confirm);
	close(confirm->tracker);
	confirm->tracker = -1;
}
