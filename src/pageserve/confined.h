// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What is left to pageserve before a client is heard: to write below DIR, and
 * to read below the directory that DIR lies in, where its parents are; those
 * that lie elsewhere must be DIR's, or its --prev-images-dir's, now.
 */
#ifndef PAGESERVE_CONFINED_H
#define PAGESERVE_CONFINED_H

#include "pageserve/session.h"

#include <stdbool.h>

/*
 * Makes DIR if it is not there, since what is not there cannot be named: true,
 * and the caller removes it if nothing has come.  Dies.
 */
bool confine_server(const struct session_setup *setup);

#endif
