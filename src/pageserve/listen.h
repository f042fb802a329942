// SPDX-License-Identifier: GPL-3.0-or-later
/* TCP sockets that wait for clients.  These functions die. */
#ifndef PAGESERVE_LISTEN_H
#define PAGESERVE_LISTEN_H

#include <stddef.h>
#include <stdint.h>

/*
 * address is a name or a number; port 0 takes any that is free.  *port is
 * then the one it is.
 */
int listen_on(const char *address, uint16_t *port);

/* The next client, or -1 if there is none after all; who it is. */
int listen_accept(int listener, char *name, size_t size);

/* Who is on the other side of a connection; "a client" if nobody knows. */
void listen_name(int connection, char *name, size_t size);

#endif
