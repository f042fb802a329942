// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Whole reads and writes on descriptors that may be pipes, sockets or files.
 * EINTR is retried; EAGAIN (somebody left O_NONBLOCK on a shared descriptor)
 * waits.  Nothing here reads ahead.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Bytes read: fewer than size only at end of file; -1 with errno. */
ssize_t io_read(int fd, void *data, size_t size);

/* 0 when all was written; -1 with errno.  The iovecs are used up. */
int io_write(int fd, const void *data, size_t size);
int io_writev(int fd, struct iovec *iov, int nr);
int io_pwrite(int fd, const void *data, size_t size, uint64_t offset);

/*
 * Waits until in can be read (or is at its end).  When out is not -1 and
 * its reader has gone meanwhile, -1 with EPIPE: a stage that only waits for
 * input would otherwise never learn that it works for nobody.
 */
int io_wait(int in, int out);

/* Room for size bytes in a pipe, where the system allows it; else as it is. */
void io_pipe_room(int fd, int size);

#endif
