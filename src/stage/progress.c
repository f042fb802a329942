// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/progress.h"

#include "base/clock.h"
#include "base/num.h"
#include "stage/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define INTERVAL_NS (200 * MS_NS)

void progress_begin(struct progress *progress, uint32_t page_size, bool wanted)
{
	*progress = (struct progress){
		.on = !option_is_quiet() && (option_progress_forced() ||
					     (wanted && isatty(STDERR_FILENO))),
		.page_size = page_size,
		.began_ns = clock_ns(),
	};
	progress->next_ns = progress->began_ns + INTERVAL_NS;
}

/* ", 43 %, 2 s left": the resident size is an estimate, so never over 99. */
static int share(char *out, size_t size, const struct progress *progress,
		 uint64_t pages, uint64_t elapsed_ns)
{
	uint64_t percent;

	if (!progress->expected || !pages)
		return 0;
	percent = pages * 100 / progress->expected;
	if (percent >= 100)
		return snprintf(out, size, ", 99 %%");
	return snprintf(out, size, ", %" PRIu64 " %%, %.0f s left", percent,
			(double)elapsed_ns / 1e9 *
				(double)(progress->expected - pages) /
				(double)pages);
}

static void draw(struct progress *progress, uint64_t pages, uint64_t now)
{
	uint64_t elapsed = now - progress->began_ns + 1;
	double rate = (double)pages * progress->page_size / (double)elapsed;
	char line[160];
	int n = snprintf(
		line, sizeof(line), "\r%" PRIu64 " pages, %s, %.0f MB/s", pages,
		num_bytes(pages * progress->page_size).text, rate * 1e3);

	n += share(line + n, sizeof(line) - (size_t)n, progress, pages,
		   elapsed);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "\033[K");
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		progress->on = false;
	progress->drawn = true;
}

void progress_show(struct progress *progress, uint64_t pages)
{
	uint64_t now;

	if (!progress->on)
		return;
	now = clock_ns();
	if (now < progress->next_ns)
		return;
	draw(progress, pages, now);
	progress->next_ns = now + INTERVAL_NS;
}

void progress_end(struct progress *progress, uint64_t pages)
{
	if (!progress->on)
		return;
	progress->expected = 0;
	draw(progress, pages, clock_ns());
	if (write(STDERR_FILENO, "\n", 1) < 0)
		return;
}
