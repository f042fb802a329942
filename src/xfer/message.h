// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The messages of CRIU's page server (criu/page-xfer.c): a head of fixed size,
 * in the byte order and form of the machine, with no magic number and no
 * version.  CRIU 4.2 has lengthened it without a way to tell:
 *
 *            bytes     0        4          8          16       24     32
 *   3.17 to 4.1.1      command  nr_pages   vaddr      dst_id
 *   4.2                command  (nothing)  nr_pages   vaddr    dst_id
 *
 * The nothing is padding of a C struct, which the compiler leaves as it is: it
 * says nothing, and need not be 0.  command is flags << 16 | enum
 * message_command.  An ADD, or ADD_F with PRESENT, is followed by the pages.
 *
 * Answers: to OPEN2 a byte, to PARENT 4 bytes, both 1 where the parent has
 * such an image; to a CLOSE 4 bytes, 0 when all is kept; to GET an ADD_F with
 * PRESENT and fewer pages than were asked for, or as many, and the pages.
 * Nothing else is answered.
 */
#ifndef XFER_MESSAGE_H
#define XFER_MESSAGE_H

#include "vm/vaddr.h"

#include <stdbool.h>
#include <stddef.h>

enum message_form {
	MESSAGE_FORM_UNKNOWN = 0,
	MESSAGE_FORM_24 = 24, /* bytes */
	MESSAGE_FORM_32 = 32,
};
#define MESSAGE_MAX 32 /* bytes */

enum message_command {
	MESSAGE_ADD = 1,  /* of old: pages with bytes */
	MESSAGE_HOLE = 2, /* of old: pages that the parent has */
	MESSAGE_OPEN = 3,
	MESSAGE_OPEN2 = 4,
	MESSAGE_PARENT = 5,
	MESSAGE_ADD_F = 6,
	MESSAGE_GET = 7,
	MESSAGE_CLOSE = 0x1023,
	MESSAGE_FORCE_CLOSE = 0x1024, /* the connection stays open */
};

/* In flags: CRIU's PE_ flags. */
enum message_flag {
	MESSAGE_IN_PARENT = 1 << 0,
	MESSAGE_LAZY = 1 << 1,
	MESSAGE_PRESENT = 1 << 2,
};

struct message {
	uint32_t command; /* enum message_command, or one that is not known */
	uint32_t flags;   /* enum message_flag */
	uint64_t nr_pages;
	vaddr_t vaddr;
	uint64_t dst_id; /* of a GET: a pid; else struct message_image */
};

/* What pages belong to: a task, or an object of shared memory. */
struct message_image {
	bool shared;
	uint64_t id; /* the task's pid in its own namespace; CRIU's shmid */
};

/*
 * Into out, which has MESSAGE_MAX bytes; gives back how many they are.
 * nr_pages and flags must fit: 32 bits in the form of 24, and 16.
 */
size_t message_encode(enum message_form form, const struct message *message,
		      char *out);
void message_decode(enum message_form form, const char *in,
		    struct message *message);

/*
 * The form of a client's first message, by its first 24 bytes, which is as
 * much as can be read without waiting for bytes that may never come:
 *
 *   GET       24 has the address at 8 and the pid at 16; 32 has the count at 8
 *             and the address at 16.  An address is a multiple of 4096.  Where
 *             both are such multiples, what stands at 16 is the pid if it is
 *             no more than 4 Mi, the largest pid there can be (the one mistake
 *             is 4,096 pages and more that begin below 4 MiB).
 *   CLOSE     the same in both, but for 8 bytes more that nobody needs: 24.
 *   others    24 has the image at 16, whose lowest byte, the kind, is not 0;
 *             32 has an address there, whose lowest byte is 0.
 */
enum message_form message_recognise(const char *first);

/* "24", "32". */
enum message_form message_form_named(const char *text);

/* Which image a dst_id means, -1: none.  Old CRIUs had other kinds. */
int message_image(uint64_t dst_id, struct message_image *image);
uint64_t message_dst_id(const struct message_image *image);

#endif
