// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * framedump as it is, with each of its options: its verdict is that of a
 * reader that shows nothing.
 *
 *   byte 0   bit 0: the rest has no magic, and is sealed (kit/seal.h)
 *            bits 1 and 2: -s, -t, neither
 *   rest     the stream
 */
#include "kit/kit.h"
#include "kit/seal.h"

int framedump_main(int argc, char **argv);
#define main framedump_main
#include "framedump/framedump.c"
#undef main

#define MEMORY_MAX (6u << 20) /* bytes: the largest table, and some more */

enum { SEALED = 1, SUMMARY = 2, TEST = 4 };

struct call {
	const char *option;
	int code;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	kit_quiet();
	return 0;
}

static void show(void *of)
{
	struct call *call = of;
	char *argv[] = {(char *)"framedump", (char *)call->option, NULL};

	optind = 0; /* getopt(3) begins anew */
	call->code = framedump_main(call->option ? 2 : 1, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	uint8_t how = kit_byte(&input);
	struct call call = {how & SUMMARY ? "-s" : how & TEST ? "-t" : NULL, 0};
	int fd = seal_reader(input.data, input.size, how & SEALED);

	kit_must(dup2(fd, STDIN_FILENO) == STDIN_FILENO, "there is an input");
	if (!kit_run(show, &call))
		call.code = EXIT_SYSTEM;
	kit_must(kit_peak() < MEMORY_MAX, "it takes little memory");
	kit_must((call.code == EXIT_DONE) == seal_is_whole(fd),
		 "the verdict is right");
	kit_must(call.code == EXIT_DONE || call.code == EXIT_INPUT,
		 "the exit status is one of two");
	close(fd);
	return 0;
}
