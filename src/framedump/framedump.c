// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * framedump: shows a page stream frame by frame; framedump(1).  It uses the
 * stream room alone, so that it can go on up to the very fault.
 */
#include "framedump/show.h"

#include "base/die.h"
#include "stage/confined.h"
#include "stage/options.h"
#include "stage/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: framedump [OPTION]... [< STREAM]\n"
	"\n"
	"Shows a page stream, frame by frame, up to its end or its first "
	"fault:\n"
	"    freeze PID | vmalist | thaw | framedump -s     what a copy would "
	"take\n"
	"\n"
	"  -s, --summary     one line of totals\n"
	"  -t, --test        only the verdict, by the exit status\n" COMMON_HELP
	"\n"
	"Exit status: 0 whole and intact; 2 bad or incomplete; 3 the reader "
	"went away;\n"
	"100 called wrongly; 111 the system refused.\n"};

enum how { SHOW_FRAMES, SHOW_SUMMARY, SHOW_NOTHING };

static enum how parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"summary", no_argument, NULL, 's'},
		{"test", no_argument, NULL, 't'},
		COMMON_OPTIONS,
		{0},
	};
	enum how how = SHOW_FRAMES;
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT "st", table,
				     NULL)) >= 0) {
		if (option == 's')
			how = SHOW_SUMMARY;
		else if (option == 't')
			how = SHOW_NOTHING;
		else
			option_common(&tool, option);
	}
	if (optind < argc)
		option_misused(&tool, "framedump takes no arguments; give it "
				      "the stream on standard input");
	return how;
}

/* Takes the body too, so that its digest is checked before it is shown. */
static enum frame_status take_body(struct stream_reader *in)
{
	char scrap[65536];
	enum frame_status status = FRAME_OK;

	while (status == FRAME_OK && in->frames.body_left) {
		uint32_t left = in->frames.body_left;

		status =
			frame_body(&in->frames, scrap,
				   left < sizeof(scrap) ? left : sizeof(scrap));
	}
	return status;
}

static enum frame_status show_all(struct stream_reader *in, struct shown *shown,
				  enum how how)
{
	struct frame frame;
	enum frame_status status;

	while ((status = stream_next(in, &frame)) == FRAME_OK) {
		status = take_body(in);
		if (status != FRAME_OK)
			break;
		show_count(shown, in, &frame);
		if (how == SHOW_FRAMES)
			show_frame(in, &frame);
	}
	if (status != FRAME_END)
		return status;
	if (how == SHOW_FRAMES)
		show_end(in);
	return stream_finish(in);
}

static int verdict(const struct stream_reader *in, enum frame_status status)
{
	if (status == FRAME_END)
		return EXIT_DONE;
	if (status == FRAME_BAD)
		complain("bad before byte %" PRIu64 ": %s", in->frames.offset,
			 stream_why(in));
	else if (status == FRAME_TRUNCATED)
		complain("cut short at byte %" PRIu64 ", before its END",
			 in->frames.offset);
	else
		die_errno(EXIT_SYSTEM, "cannot read the stream");
	return EXIT_INPUT;
}

int main(int argc, char **argv)
{
	enum how how = parse_options(argc, argv);
	struct shown shown = {0};
	struct stream_reader in;
	enum frame_status status;
	int code;

	stage_prepare(STAGE_READS);
	confined_begin(&(struct confine){.calls = CONFINE_STREAM});
	if (stream_reader_init(&in, STDIN_FILENO, -1) < 0)
		die(EXIT_SYSTEM, "no memory");
	status = show_all(&in, &shown, how);
	if (how == SHOW_SUMMARY)
		show_summary(&in, &shown, status == FRAME_END);
	if (fflush(stdout) < 0)
		die_errno(errno == EPIPE ? EXIT_READER : EXIT_SYSTEM,
			  "cannot write");
	code = verdict(&in, status);
	stream_reader_release(&in);
	return code;
}
