// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What predump is asked to do.  The strings are those of the command line.
 * options_parse() dies with one line for what does not go together.
 */
#ifndef PREDUMP_OPTIONS_H
#define PREDUMP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	uint32_t pid;
	const char *dir;      /* -D, --to; NULL: a stream, see output */
	const char *host;     /* --to: where dir is; NULL: here */
	const char *ssh;      /* the command that reaches it */
	const char *output;   /* -o: a file, or "-" */
	const char *compress; /* "zstd", "lz4", or NULL */
	const char *previous; /* --prev-images-dir, or NULL */
	const char *track;    /* as vmalist takes it; NULL: as it likes */
	unsigned int rounds;  /* 0: not given, one copy without a number */
	bool automatic;       /* rounds are the most; pace.h */
	uint64_t downtime_ns; /* wanted; 0: not given */
	uint64_t max_time_ns; /* 0: not given */
	uint64_t spool;       /* bytes, of a consistent copy; 0: none */
	bool spool_given;
	bool final; /* a last round, consistent */
	bool leave_stopped;
	bool force;
	bool json;
	bool dry_run;
	bool quiet;
	bool verbose;
	bool progress;
};

struct options options_parse(int argc, char **argv);

/* How many copies are made while the target runs, and with the final one; at
 * most, if automatic. */
unsigned int options_rounds(const struct options *options);
unsigned int options_copies(const struct options *options);

/* Do rounds build on one another, so that a tracker is needed? */
bool options_need_tracker(const struct options *options);

#endif
