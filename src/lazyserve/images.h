// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the images say about one task: which pages restore leaves missing, and
 * where their bytes are.  Two directories have a say:
 *
 *   the one that is restored   its pagemap says which pages are LAZY; that is
 *                              the work directory if it has pagemaps, else DIR
 *   DIR and its parents        hold the bytes; what they hold is here
 *
 * PRESENT and PARENT pages without LAZY are loaded by restore itself
 * (criu/mem.c, prepare_mappings()), all others that are LAZY are asked for.
 * A task that is made by fork has those of its parent.
 */
#ifndef LAZYSERVE_IMAGES_H
#define LAZYSERVE_IMAGES_H

#include "image/chain.h"

struct images {
	uint32_t pid; /* in its own namespace, as the files are named */
	struct chain chain;
	struct pagemap_list own; /* of the work directory */
	bool has_own;
	bool announced;
	uint64_t nr_lazy;  /* pages */
	uint64_t nr_asked; /* of them: not here, but at the source */
};

struct image_set {
	struct images *all; /* ascending by pid */
	size_t nr;
};

/* Pages in a row that are alike. */
enum image_place {
	IMAGE_NOWHERE, /* no level knows it */
	IMAGE_HERE,
	IMAGE_AWAY, /* LAZY alone */
};

/*
 * Reads all of them and checks that each LAZY page can be had; remote: what is
 * not here can be asked for.  Dies.
 */
void image_set_read(struct image_set *set, const char *dir, const char *work,
		    bool remote);
struct images *image_set_find(const struct image_set *set, uint32_t pid);
void image_set_release(struct image_set *set);

/* The pagemap that restore goes by. */
const struct pagemap_list *images_list(const struct images *images);

/* Where the page is, and how many of the next nr_pages are there too. */
enum image_place images_place(struct images *images, vaddr_t vaddr,
			      uint64_t nr_pages, struct chain_piece *piece);

#endif
