// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the fuzz targets share.  A target is one file, tests/fuzz/NAME.c, that
 * gives the two functions of libFuzzer below; it is built twice:
 *
 *   make fuzz T=NAME   by clang, with libFuzzer's main: looks for new inputs
 *   make check         by the usual compiler, with replay.c's main: takes the
 *                      files of corpus/NAME and crashers/NAME
 *
 * Both with AddressSanitizer and UndefinedBehaviorSanitizer.  kit.c has the
 * functions of base/die.h in place of the tools' own: a tool that dies comes
 * back to kit_run(), and what it says is formatted and thrown away.
 */
#ifndef FUZZ_KIT_H
#define FUZZ_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, piece by piece; what is not there any more reads as zeros. */
struct kit_input {
	const uint8_t *data;
	size_t size;
};
uint8_t kit_byte(struct kit_input *input);
uint16_t kit_u16(struct kit_input *input);
/* At most size bytes: how many, from *data on. */
size_t kit_bytes(struct kit_input *input, size_t size, const uint8_t **data);

/* false: it has died.  What it had reserved is lost then. */
bool kit_run(void (*act)(void *of), void *of);
/* Bytes that it had reserved, at most at a time. */
size_t kit_peak(void);
/* Frees what it has left. */
void kit_free(void);

/* What must hold of the product, whatever comes in; otherwise a report. */
void kit_must(bool holds, const char *what);

/* A descriptor to read those bytes from, up to its end. */
int kit_reader(const uint8_t *data, size_t size);

/*
 * Closes every descriptor from that one on: what a tool that died has left. The
 * first one of this run; libFuzzer may have some before it.
 */
int kit_first(void);
void kit_close(int first);

/* A directory of our own, removed in the end: its path and descriptor. */
const char *kit_path(void);
int kit_dir(void);
/* A file in it, replaced; its name may have a directory in it. */
void kit_file(const char *name, const uint8_t *data, size_t size);
/* Removes the files of a directory in it, and of those in that. */
void kit_empty(const char *name);

/* Standard output goes nowhere from here on. */
void kit_quiet(void);

#endif
