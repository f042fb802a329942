// SPDX-License-Identifier: GPL-3.0-or-later
/* To a page server: over TCP, or through a command such as ssh.  These die. */
#ifndef LAZYSERVE_CONNECT_H
#define LAZYSERVE_CONNECT_H

struct connection {
	int in, out; /* may be the same */
};

/* "HOST:PORT", "[ADDRESS]:PORT" */
struct connection connect_tcp(const char *place);
/* Its standard input and output are the connection. */
struct connection connect_command(const char *command);

#endif
