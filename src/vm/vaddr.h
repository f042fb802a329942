// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * An address in the *target*: an integer, never a pointer of ours.  The page
 * size is the stream's or the kernel's, never a constant.
 */
#ifndef VM_VADDR_H
#define VM_VADDR_H

#include <stdint.h>

typedef uint64_t vaddr_t;

#endif
