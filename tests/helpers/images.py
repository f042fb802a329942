#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image directories without our code, to hold imgread against.

images.py make DIR < TEXT      a directory as TEXT says, right or wrong
images.py pages DIR [flatten]  a line a page: pagemap, address, flags, what is
                               in it; with flatten those of parents as theirs
images.py thin DIR             pages that are the same in DIR/parent become
                               entries of the parent, as criu's would

images.py drop DIR VADDR       the one page is in no pagemap any more
images.py unmark DIR           no page is lazy any more

TEXT, a line each:
    parent PATH           the link
    inventory none        leaves inventory.img out
    file NAME HEX         any file
    pstree PID TID...     one more process of pstree.img
    core TID SP [MACHINE] core-TID.img, of x86-64 or aarch64; SP may be "none"
    mm PID                mm-PID.img; then, of it:
    vma START END PROT FLAGS STATUS
    pagemap NAME N        pagemap-NAME.img with pages-N.img; then, of it:
    entry VADDR PAGES FLAGS [STYLE] [hole|zero|FILL]
    record HEX            a record that is not an entry
    bytes HEX             bytes that are no record
    cut BYTES             so many bytes less in the pages file; more, if negative
STYLE is how CRIU encodes it: both (ours), old (3.17), new (4.2), in_parent,
plain (no flags), or differ (two counts that differ). Each word of a page is its
address, with FILL in the highest byte.
"""
import hashlib
import os
import struct
import sys

PAGE = 4096
COMMON, PAGEMAP, INVENTORY = 0x54564319, 0x56084025, 0x58313116
PSTREE, CORE, MM = 0x50273030, 0x55053847, 0x57492820
PARENT, LAZY, PRESENT = 1, 2, 4
FLAGS = {"parent": PARENT, "lazy": LAZY, "present": PRESENT}


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def fields(*pairs):
    return b"".join(varint(number << 3) + varint(value) for number, value in pairs)


def record(data):
    return struct.pack("=I", len(data)) + data


def encode(vaddr, nr, flags, style="both"):
    return record({
        "both": fields((1, vaddr), (2, nr), (4, flags), (5, nr)),
        "old": fields((1, vaddr), (2, nr), (4, flags)),
        "new": fields((1, vaddr), (2, 0), (4, flags), (5, nr)),
        "in_parent": fields((1, vaddr), (2, nr), (3, 1)),
        "plain": fields((1, vaddr), (2, nr)),
        "differ": fields((1, vaddr), (2, nr), (4, flags), (5, nr + 1)),
    }[style])


def write(directory, name, data):
    with open(os.path.join(directory, name), "wb") as file:
        file.write(data)


class Pages:
    """A pagemap and its pages, being made."""

    def __init__(self, directory, name, number):
        self.directory, self.name, self.number = directory, name, number
        self.entries = b""
        self.end = 0
        self.path = os.path.join(directory, f"pages-{number}.img")
        self.file = open(self.path, "wb")

    def entry(self, vaddr, nr, flags, style="both", fill="1"):
        vaddr, nr = int(vaddr, 0), int(nr, 0)
        value = 0
        for one in flags.split(","):
            value |= FLAGS[one] if one in FLAGS else int(one, 0)
        self.entries += encode(vaddr, nr, value, style)
        if not value & PRESENT:
            return
        self.file.seek(self.end)
        for page in range(nr if fill != "hole" else 0):
            words = [vaddr + page * PAGE + 8 * i for i in range(PAGE // 8)]
            top = 0 if fill == "zero" else int(fill) << 56
            self.file.write(b"".join(struct.pack("=Q", (w | top) * (fill != "zero"))
                                     for w in words))
        self.end += nr * PAGE

    def close(self, cut=0):
        self.file.truncate(self.end - cut)
        self.file.close()
        write(self.directory, f"pagemap-{self.name}.img",
              struct.pack("=II", COMMON, PAGEMAP) +
              record(fields((1, self.number))) + self.entries)


def sub(number, data):
    """A field that is a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def core(directory, tid, sp, machine="x86-64"):
    number, thread, registers, field = {"x86-64": (1, 2, 2, 20), "aarch64": (3, 8, 3, 2),
                                        "s390": (5, 10, 2, 1)}[machine]
    data = fields((1, number))
    if sp != "none":
        data += sub(thread, sub(registers, fields((field, int(sp, 0)))))
    write(directory, f"core-{tid}.img", struct.pack("=II", COMMON, CORE) + record(data))


class Processes:
    """pstree.img and the mm-PID.img, being made."""

    def __init__(self):
        self.tree, self.mms = b"", {}

    def take(self, words):
        if words[0] == "pstree":
            self.tree += record(fields((1, int(words[1])), (2, 0), (3, 1), (4, 1),
                                       *((5, int(tid)) for tid in words[2:])))
        elif words[0] == "mm":
            self.mms[words[1]] = b""
        else:
            start, end, prot, flags, status = (int(word, 0) for word in words[1:])
            pid = list(self.mms)[-1]
            self.mms[pid] += sub(14, fields((1, start), (2, end), (3, 0), (4, 0), (5, prot),
                                            (6, flags), (7, status), (8, 1)))

    def write(self, directory):
        if self.tree:
            write(directory, "pstree.img", struct.pack("=II", COMMON, PSTREE) + self.tree)
        for pid, vmas in self.mms.items():
            write(directory, f"mm-{pid}.img", struct.pack("=II", COMMON, MM) +
                  record(fields((1, 4096), (12, 1), (13, 33)) + vmas))


def make(directory):
    os.mkdir(directory)
    pages, cut, inventory = None, 0, True
    processes = Processes()
    for line in list(sys.stdin) + ["pagemap"]:
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "entry":
            pages.entry(*words[1:])
        elif words[0] == "record":
            pages.entries += record(bytes.fromhex(words[1]))
        elif words[0] == "bytes":
            pages.entries += bytes.fromhex(words[1])
        elif words[0] == "cut":
            cut = int(words[1])
        elif words[0] == "parent":
            os.symlink(words[1], os.path.join(directory, "parent"))
        elif words[0] == "inventory":
            inventory = False
        elif words[0] in ("pstree", "mm", "vma"):
            processes.take(words)
        elif words[0] == "core":
            core(directory, *words[1:])
        elif words[0] == "file":
            write(directory, words[1], bytes.fromhex("".join(words[2:])))
        elif words[0] == "pagemap":
            if pages:
                pages.close(cut)
            cut = 0
            pages = words[1:] and Pages(directory, words[1], int(words[2]))
        else:
            sys.exit(f"what is '{line}'?")
    processes.write(directory)
    if inventory:
        write(directory, "inventory.img",
              struct.pack("=I", INVENTORY) + record(fields((1, 2), (8, 123456))))


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def records(data):
    at = 0
    while at < len(data):
        size = struct.unpack_from("=I", data, at)[0]
        at += 4
        end, found = at + size, {}
        while at < end:
            tag, at = read_varint(data, at)
            found[tag >> 3], at = read_varint(data, at)
        yield found


def load(directory, name):
    """vaddr -> (flags, bytes or None), in order; the encoding's rules are CRIU's."""
    with open(os.path.join(directory, name), "rb") as file:
        data = file.read()
    assert struct.unpack_from("=II", data) == (COMMON, PAGEMAP)
    head, *entries = records(data[8:])
    out, bytes_of = {}, None
    for entry in entries:
        flags = entry.get(4, 0) | (PARENT if entry.get(3) else 0) or PRESENT
        for page in range(entry.get(5, entry[2])):
            content = None
            if flags & PRESENT:
                if bytes_of is None:
                    bytes_of = open(os.path.join(directory, f"pages-{head[1]}.img"), "rb")
                content = bytes_of.read(PAGE)
                assert len(content) == PAGE
            out[entry[1] + page * PAGE] = flags, content
    return head[1], out


def flat(directory, name):
    number, pages = load(directory, name)
    if any(flags & PARENT for flags, _ in pages.values()):
        parent = flat(os.path.join(directory, "parent"), name)[1]
        for vaddr, (flags, _) in pages.items():
            if flags & PARENT:
                pages[vaddr] = PRESENT, parent[vaddr][1]
    return number, pages


def pagemaps(directory):
    return sorted(n for n in os.listdir(directory) if n.startswith("pagemap-"))


def show(directory, flatten=False):
    for name in pagemaps(directory):
        pages = (flat if flatten else load)(directory, name)[1]
        for vaddr, (flags, content) in pages.items():
            digest = hashlib.sha1(content).hexdigest()[:16] if content else "-"
            print(f"{name} {vaddr:#x} {flags} {digest}")


def rewrite(directory, change):
    """With what change(vaddr, flags) gives for the flags; None for no entry."""
    for name in pagemaps(directory):
        number, pages = load(directory, name)
        out = Pages(directory, name[8:-4], number)
        for vaddr, (flags, content) in pages.items():
            flags = change(vaddr, flags)
            if flags is None:
                continue
            out.entries += encode(vaddr, 1, flags)
            if content is not None:
                out.file.write(content)
                out.end += PAGE
        out.close()


def drop(directory, gone):
    rewrite(directory, lambda vaddr, flags: None if vaddr == int(gone, 16) else flags)


def unmark(directory):
    rewrite(directory, lambda _, flags: flags & ~LAZY)


def thin(directory):
    for name in pagemaps(directory):
        above = os.path.join(directory, "parent")
        if not os.path.exists(os.path.join(above, name)):
            continue
        number, pages = load(directory, name)
        older = flat(above, name)[1]
        out = Pages(directory, name[8:-4], number)
        for vaddr, (flags, content) in pages.items():
            if content is not None and older.get(vaddr, (0, None))[1] == content:
                flags = PARENT
            out.entries += encode(vaddr, 1, flags, "new")
            if flags & PRESENT:
                out.file.write(content)
                out.end += PAGE
        out.close()


if __name__ == "__main__":
    {"make": make, "pages": show, "thin": thin, "drop": drop, "unmark": unmark}[sys.argv[1]](*sys.argv[2:])
