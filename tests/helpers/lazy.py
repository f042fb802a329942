#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""lazy.py PID SHOWN < PAGES: are the pages that criu has marked as lazy those
which, by what mmshow says, may be so? PAGES is of `images.py pages`.

The pages of the stack pointers are among them: criu means to leave those out,
but is_stack() in its criu/mem.c compares the wrong bits of two addresses."""
import sys

pid, shown = sys.argv[1:]
mappings = []
for line in open(shown):
    words = line.split()
    if words[-1] == "lazy":
        mappings.append((int(words[0], 16), int(words[1], 16)))
lazy = differ = 0
for line in sys.stdin:
    name, vaddr, flags, _ = line.split()
    if name != f"pagemap-{pid}.img":
        continue
    vaddr = int(vaddr, 16)
    marked = bool(int(flags) & 2)
    lazy += marked
    differ += marked != any(start <= vaddr < end for start, end in mappings)
print(f"{lazy} lazy, {differ} differ")
