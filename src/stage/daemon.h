// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * --daemon: the command returns when its work can be relied upon, which goes on
 * in a child of a session of its own.  These functions die.
 */
#ifndef STAGE_DAEMON_H
#define STAGE_DAEMON_H

/*
 * Goes on in the child, and ends the parent when daemon_ready() is called; or,
 * should the child end before that, with its exit code.  For daemon_ready().
 */
int daemon_begin(void);

/*
 * From here on nobody reads what we say: 0, 1 and 2 become /dev/null, except
 * for a stderr that is a file.
 */
void daemon_ready(int begun);

/*
 * SIGINT, SIGTERM and SIGHUP, which are blocked then: a descriptor to poll(2),
 * that can be read when one has come.
 */
int daemon_signals(void);

#endif
