// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/host.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

static int read_text(const char *path, char *text, size_t size)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read(fd, text, size - 1);

	if (n < 0)
		return -1;
	text[n] = 0;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int host_boot_id(struct host_boot_id *id)
{
	char text[64];
	int n = 0;

	if (read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text)))
		return -1;
	for (const char *at = text; *at && n < 32; at++) {
		int digit = hex_digit(*at);

		if (digit < 0)
			continue;
		id->bytes[n / 2] = (uint8_t)(id->bytes[n / 2] << 4 | digit);
		n++;
	}
	if (n == 32)
		return 0;
	errno = EPROTO;
	return -1;
}

uint64_t host_uptime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
