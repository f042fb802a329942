"""A target with three places for two areas, one after the other: "ready PID",
then a line of orders is obeyed: LETTER FROM [TO], of the places 0 to 2.

    m FROM TO   the area moves (mremap), with what is in it
    w PLACE     a store to each of its pages
"""
import ctypes
import mmap
import os
import sys

SIZE = 64 * mmap.PAGESIZE
PRIVATE_ANON, RW, MAYMOVE_FIXED = 0x22, 3, 3
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int,
                      ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t,
                        ctypes.c_int, ctypes.c_void_p]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

start = libc.mmap(None, 5 * SIZE, RW, PRIVATE_ANON, -1, 0) + SIZE
for hole in (-1, 2, 3):
    libc.munmap(start + hole * SIZE, SIZE)

def store(place, count):
    for at in range(start + place * SIZE, start + (place + 1) * SIZE,
                    mmap.PAGESIZE):
        ctypes.c_uint64.from_address(at).value = at * 1000 + count

def move(source, to):
    at = start + to * SIZE
    if libc.mremap(start + source * SIZE, SIZE, SIZE, MAYMOVE_FIXED,
                   at) != at:
        sys.exit('mremap')

store(0, 0)
store(1, 0)
print('ready', os.getpid(), flush=True)
for count, line in enumerate(sys.stdin, 1):
    letter, *places = line.split()
    if letter == 'm':
        move(int(places[0]), int(places[1]))
    else:
        store(int(places[0]), count)
    print('ok', flush=True)
