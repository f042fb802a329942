// SPDX-License-Identifier: GPL-3.0-or-later
/* `make analyze` fails where gcc or clang-tidy does not find its fault here. */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *text = strdup(argv[0]);

	free(text);
	if (argc)                              /* clang-tidy: either way */
		argc = (unsigned char)text[0]; /* gcc: it is gone */
	else
		argc = (unsigned char)text[0];
	return argc;
}
