#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""shared.py COMMAND: a shell command with a ring (src/base/ring.h), whose two
descriptors are in $RING, as predump hands them to memread and imgwrite."""
import ctypes, os, sys

PIECES, PIECE = 8, 256 << 10

memory = os.memfd_create('pagepipe', 0)
os.ftruncate(memory, PIECES * PIECE)
given = ctypes.CDLL(None).eventfd(0, 0)
os.environ['RING'] = f'{memory},{given}'
os.environ['MEMORY'] = f'/proc/self/fd/{memory}'
os.execvp('bash', ['bash', '-o', 'pipefail', '-c', sys.argv[1]])
