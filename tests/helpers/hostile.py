# SPDX-License-Identifier: GPL-3.0-or-later
"""hostile.py WHAT: text for `frames pack`, of a stream that claims much.

task, end, vmas, hello, maps, release, thawed: a frame of that kind, as large
as it may be, of the smallest pieces that a protobuf message can have; threads,
stackless, mappings: what is honest, and as much as a stream should carry;
tasks, lists, images: too many of them."""
import sys

LARGE, LIST, SMALL = 4 << 20, 256 << 10, 4096
HELLO = ("HELLO page_size=512 boot=000102030405060708090a0b0c0d0e0f "
         "session=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
TASK = "TASK {0} pid={1} ns_pid={1} living={1}\n  thread tid={1} ns_tid={1}"
RELEASE = "RELEASE clk_tck=100"
BEGIN = "\n".join([HELLO, TASK.format(0, 7)])


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def filled(kind, piece, size):
    return f"{kind} hex={(piece * (size // len(piece))).hex()}"


def task(stack):
    threads = "\n".join(f"  thread tid={n} ns_tid={n}" + stack
                        for n in range(16384, 216384))
    return f"TASK 0 pid=7 ns_pid=7 living=7\n{threads}"


def mappings():
    for frame in range(100):
        print("VMAS 0 nr=1000")
        for at in range(frame * 1000, frame * 1000 + 1000):
            print(f"  vma {at * 0x2000 + 0x7f0000000000:#x}-"
                  f"{at * 0x2000 + 0x7f0000001000:#x} r--p file offset=0x0 "
                  f'dev=8:1 inode=4711 name="/usr/lib/libsome.so.{at}"')


def end():
    skipped = b"\x3a\x00" * ((LARGE - 16) // 2)
    return "END hex=" + (b"\x12" + varint(len(skipped)) + skipped).hex()


what = sys.argv[1]
hostile = {
    "hello": lambda: filled("HELLO", b"\x70\x01", SMALL),
    "task": lambda: filled(HELLO + "\nTASK 0", b"\x2a\x00", LARGE),
    "maps": lambda: filled(BEGIN + "\nMAPS 0", b"\x7a\x00", LIST),
    "release": lambda: filled(BEGIN + "\nRELEASE", b"\x7a\x00", SMALL),
    "thawed": lambda: filled(BEGIN + "\nTHAWED", b"\x7a\x00", SMALL),
    "vmas": lambda: filled(BEGIN + "\n" + RELEASE + "\nVMAS 0", b"\x0a\x00",
                           LIST),
    "end": lambda: BEGIN + "\n" + RELEASE + "\n" + end(),
    "threads": lambda: "\n".join([HELLO, task(" sp=0x7f0123456789"), RELEASE]),
    "stackless": lambda: "\n".join([HELLO, task(""), RELEASE]),
    "tasks": lambda: HELLO + "\n" + "\n".join(
        TASK.format(n, n + 7) for n in range(65537)),
    "lists": lambda: BEGIN + filled("\nMAPS 0", b"\x0a\xfc\xff\x0f" + b"x" *
                                    (LIST - 4), LIST) + "\nagain" * 1024,
    "images": lambda: BEGIN + "\n" + RELEASE + "\n" + "\n".join(
        f"IMAGE 0 type=104 id={n} offset=0 size=0 body=0 digest=auto"
        for n in range((1 << 20) + 1)),
}
if what in hostile:
    print(hostile[what]())
if what == "mappings":
    print(BEGIN + "\n" + RELEASE)
    mappings()
if what in ("threads", "stackless", "mappings"):
    print("END stage=imgread outcome=whole")
