// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tasks of one stream, their mappings as text, and their pagemaps.
 * These functions die; they belong to vmalist.
 */
#ifndef VMALIST_LISTING_H
#define VMALIST_LISTING_H

#include "base/buf.h"
#include "proc/pagescan.h"
#include "proc/tracker.h"
#include "stage/stage.h"

struct listing_task {
	pid_t pid;
	pid_t living_tid;
	bool named;
	struct buf maps;       /* text, ended by a NUL byte */
	struct pagescan *scan; /* NULL: it has ended */
	/* of a round that is tracked */
	struct tracker_key key;
	bool scanned;         /* found has what is there */
	struct runlist found; /* PARENT: not written since the last clear */
	const struct tracker_task *known; /* of the record; or NULL */
	bool whole;                       /* what was written is all known */
	bool builds;                      /* on its pages in the base */
	bool cleared;                     /* the next round may build on us */
	bool async_io;
	int uffd;              /* -1: none */
	bool alone;            /* it has no other userfaultfd */
	struct runlist pinned; /* written by the kernel, which no scan shows */
	struct runlist again;  /* to be sent, written or not */
	vaddr_t canary;        /* 0: none */
};

struct listing {
	bool consistent;
	struct stage *stage;
	uint64_t alive_ns; /* when those to the right last heard of us */
	uint32_t page_size;
	struct listing_task *tasks;
	uint32_t nr_tasks;
	uint32_t room_tasks;
	uint32_t *gone; /* subjects, room for all */
	uint32_t nr_gone;
	bool named_gone;
	uint32_t *async_io; /* subjects, room for all */
	uint32_t nr_async_io;
};

void listing_prepare(struct listing *listing, const Pagestream__Hello *hello);

void listing_add(struct listing *listing, const Pagestream__Task *message,
		 enum pagescan_method method);

/* A piece of the maps of the task with that subject; pieces come in order. */
void listing_add_maps(struct listing *listing, uint32_t subject,
		      const Pagestream__Maps *maps);

/* The maps, as a string. */
const char *listing_text(const struct listing_task *task);

/* Its next mapping, from *at on, which is in that text; false: no more. */
bool listing_next_vma(const struct listing_task *task, const char **at,
		      struct vma *vma);

enum _Pagestream__Scan listing_method(const struct listing *listing);

void listing_find_async_io(struct listing *listing);
void listing_write_vmas(struct listing *listing, struct stage *stage);

#endif
