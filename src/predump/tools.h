// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where the tools are: beside predump itself, so that a build tree works as it
 * is, then in PATH.
 */
#ifndef PREDUMP_TOOLS_H
#define PREDUMP_TOOLS_H

/* A path, or a name that PATH resolves.  Dies when there is no such tool. */
const char *tools_find(const char *name);

#endif
