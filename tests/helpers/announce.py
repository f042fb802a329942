#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""announce.py DIR WORD...: says to the socket in DIR what no criu restore says.

pid=N      a task's number      uffd       a byte with a userfaultfd
zombie=N   a zombie's           file       a byte with another descriptor
hex=HEX    any bytes            byte       a byte without one
finish     that all is done     two        a byte with two descriptors
wait       until the other side ends the connection, for 20 s
"""
import ctypes
import os
import platform
import socket
import struct
import sys

FINISHED = 0x52535446
NUMBER = {"x86_64": 323, "aarch64": 282}[platform.machine()]


def userfaultfd():
    """One that can be used: the API is agreed on (UFFDIO_API)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(NUMBER, os.O_CLOEXEC | os.O_NONBLOCK)
    api = ctypes.create_string_buffer(struct.pack("=QQQ", 0xAA, 0, 0))
    if fd < 0 or libc.ioctl(fd, ctypes.c_ulong(0xC018AA3F), api) < 0:
        sys.exit("announce.py: no userfaultfd")
    return fd


def null():
    return os.open("/dev/null", os.O_RDONLY)


def say(peer, word):
    name, _, value = word.partition("=")
    if name == "pid":
        peer.sendall(struct.pack("=i", int(value)))
    elif name == "zombie":
        peer.sendall(struct.pack("=i", -int(value)))
    elif name == "hex":
        peer.sendall(bytes.fromhex(value))
    elif name == "finish":
        peer.sendall(struct.pack("=I", FINISHED))
    elif name == "byte":
        peer.sendall(b"\0")
    elif name == "wait":
        peer.settimeout(20)
        peer.recv(1)
    else:
        fds = {"uffd": lambda: [userfaultfd()], "file": lambda: [null()],
               "two": lambda: [userfaultfd(), null()]}[name]()
        socket.send_fds(peer, [b"\0"], fds)


def main():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(os.path.join(sys.argv[1], "lazy-pages.socket"))
        for word in sys.argv[2:]:
            say(peer, word)


main()
