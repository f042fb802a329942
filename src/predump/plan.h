// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The commands that predump runs: what options mean, as argument lists.  A plan
 * tells those of each copy when asked; they are run (run.h) or printed for the
 * shell (script.h).
 *
 * Tools go by their plain names here; see tools.h.  What a plan holds lives as
 * long as the program.
 */
#ifndef PREDUMP_PLAN_H
#define PREDUMP_PLAN_H

#include "predump/options.h"

#define MAX_ARGUMENTS 32
#define MAX_COMMANDS  5
#define MAX_KEPT      3

struct command {
	const char *argv[MAX_ARGUMENTS]; /* NULL behind the last one */
	int nr;
	int keeps[MAX_KEPT]; /* descriptors that it inherits; 0: none */
	uint64_t spool;      /* bytes: no program, but spool.h */
	bool silent;         /* its stderr is nobody's business */
	bool carrier;        /* not ours: its exit status has another meaning */
	const char *host;    /* where it runs; NULL: here */
};

/* One copy: freeze | vmalist | memread | imgwrite, zstd, lz4 or nothing. */
struct copy_plan {
	struct command commands[MAX_COMMANDS];
	int nr;
	struct command remote[2]; /* behind those, on the other host */
	int nr_remote;
	const char *directory; /* for messages; NULL: a stream */
	bool consistent;
};

struct plan {
	const struct options *options;
	int totals;  /* the descriptor for memread --totals; -1: without */
	int ring[2]; /* between memread and imgwrite; -1: none */
	bool tracked;
	uint64_t generation;         /* of the last copy; 0: not known */
	const char *socket;          /* of ssh's ControlMaster; NULL: none */
	bool draws;                  /* we, in the place of memread; live.h */
	struct command track;        /* memtrack PID */
	struct command track_status; /* memtrack --status PID */
};

struct plan plan_make(const struct options *options, int totals);

/* The first copy is number 0, and goes to DIR/1. */
struct copy_plan plan_copy(const struct plan *plan, unsigned int copy,
			   bool consistent);
/*
 * ssh, as far as the host's name; what it has to do there is added.  master: it
 * is to be the one by whose socket the others go.
 */
struct command plan_ssh(const struct plan *plan, bool master);

/* May memread and imgwrite share memory in such a copy? */
bool plan_shares(const struct plan *plan, bool consistent);

/* By its name. */
bool plan_is_openssh(const struct command *ssh);

/* NULL: to a stream. */
const char *plan_directory(const struct plan *plan, unsigned int copy);

/* Text that stays. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
