#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""pieces.py N: stdin to stdout, in pieces of 1 to N bytes; behind the first
3,000 bytes, which hold all control messages, of at least a page."""
import os, random, sys

most, done = int(sys.argv[1]), 0
random.seed(most)
while data := os.read(0, random.randint(1, most if done < 3000 else
                                        max(most, 65536))):
    done += len(data)
    view = memoryview(data)
    while view:
        view = view[os.write(1, view[:random.randint(1, len(view))]):]
