"""eat PID START END: takes what tells which pages of another process were
written (PAGEMAP_SCAN with PM_SCAN_WP_MATCHING), as anybody may who may look
into it; prints how many regions.  END is exclusive; both are hexadecimal."""
import ctypes
import fcntl
import os
import struct
import sys

PAGEMAP_SCAN = 3 << 30 | 96 << 16 | ord('f') << 8 | 16
PROTECT, WRITTEN, PRESENT, SWAPPED = 1, 2, 8, 16
ROOM = 10000

pid, start, end = sys.argv[1], int(sys.argv[2], 16), int(sys.argv[3], 16)
regions = bytearray(24 * ROOM)
address = ctypes.addressof(ctypes.c_char.from_buffer(regions))
pagemap = os.open(f'/proc/{pid}/pagemap', os.O_RDONLY)
argument = struct.pack('12Q', 96, PROTECT, start, end, 0, address, ROOM, 0,
                       0, WRITTEN, PRESENT | SWAPPED, WRITTEN)
print(fcntl.ioctl(pagemap, PAGEMAP_SCAN, bytearray(argument)))
