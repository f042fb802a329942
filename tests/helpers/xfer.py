#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRIU's page server protocol without our code, to hold pageserve against.

FORM is 24 (CRIU up to 4.1) or 32 (4.2), which is how long a head is.

xfer.py pack FORM < TEXT       messages as TEXT says, right or wrong
xfer.py send FORM DIR          a session that sends the images in DIR
xfer.py ask FORM PORT DIR [N]  asks for all pages that DIR names, in no order and
                               with N questions on the way, and prints them as
                               `images.py pages DIR flatten` does, without flags
xfer.py answers FORM < BYTES   a line each: pid, address, pages, what is in them
xfer.py flood FORM PORT N PID VADDR  N questions before an answer is read, and
                               then how many answers came
xfer.py pretend HEX            a server for one client: prints "port N", takes a
                               question, answers that, and ends
xfer.py quiet PORT [HEX]       connects, says that, and waits for the end

TEXT, a line each:
    open2|open|parent KIND ID           KIND is 1, a task, or 2, shared memory
    add KIND ID VADDR PAGES FLAGS [FILL]     and the pages, if present
    head KIND ID VADDR PAGES FLAGS      the same without them
    old 1|2 KIND ID VADDR PAGES         ADD and HOLE of old
    get PID VADDR PAGES
    close | force_close
    bytes HEX
"""
import random
import socket
import struct
import sys

import images

COMMANDS = {"open": 3, "open2": 4, "parent": 5, "get": 7, "close": 0x1023,
            "force_close": 0x1024}
ADD_F = 6
PAD = 0xdeadbeef  # CRIU leaves there what happens to be


def head(form, command, nr=0, vaddr=0, dst=0):
    if form == 24:
        return struct.pack("=IIQQ", command, nr, vaddr, dst)
    return struct.pack("=IIQQQ", command, PAD, nr, vaddr, dst)


def unhead(form, data):
    if form == 24:
        return struct.unpack("=IIQQ", data)
    command, _, nr, vaddr, dst = struct.unpack("=IIQQQ", data)
    return command, nr, vaddr, dst


def content(vaddr, nr, fill=1):
    return b"".join(struct.pack("=Q", (vaddr + 8 * i) | fill << 56)
                    for i in range(nr * images.PAGE // 8))


def flags_of(text):
    return sum(images.FLAGS[f] if f in images.FLAGS else int(f, 0)
               for f in text.split(","))


def image(kind, number):
    return int(number, 0) << 8 | int(kind)


def message(form, verb, *words):
    if verb == "bytes":
        return bytes.fromhex("".join(words))
    if verb in ("add", "head"):
        vaddr, nr, flags = int(words[2], 0), int(words[3], 0), flags_of(words[4])
        out = head(form, flags << 16 | ADD_F, nr, vaddr, image(*words[:2]))
        if verb == "add" and flags & images.PRESENT:
            out += content(vaddr, nr, int((words + ("1",))[5]))
        return out
    if verb == "old":
        out = head(form, int(words[0]), int(words[4], 0), int(words[3], 0),
                   image(*words[1:3]))
        return out + (content(int(words[3], 0), int(words[4], 0))
                      if words[0] == "1" else b"")
    if verb == "get":
        return head(form, COMMANDS[verb], int(words[2], 0), int(words[1], 0),
                    int(words[0], 0))
    return head(form, COMMANDS[verb], dst=image(*words) if words else 0)


def pack(form):
    for line in sys.stdin:
        words = line.split("#")[0].split()
        if words:
            sys.stdout.buffer.write(message(int(form), *words))


def name_to_image(name):
    name = name[len("pagemap-"):-len(".img")]
    return image(2, name[6:]) if name.startswith("shmem-") else image(1, name)


def send(form, directory):
    form, out = int(form), sys.stdout.buffer
    for name in images.pagemaps(directory):
        dst = name_to_image(name)
        out.write(head(form, COMMANDS["open2"], dst=dst))
        for vaddr, (flags, data) in images.load(directory, name)[1].items():
            out.write(head(form, flags << 16 | ADD_F, 1, vaddr, dst) + (data or b""))
    out.write(head(form, COMMANDS["close"]))


def connect(port):
    connection = socket.create_connection(("127.0.0.1", int(port)), 30)
    return connection, connection.makefile("rb")


def answer(form, stream):
    data = stream.read(form)
    if len(data) < form:
        return None
    command, nr, vaddr, dst = unhead(form, data)
    assert command & 0xffff == ADD_F and (command >> 16 == images.PRESENT) == (nr > 0)
    return dst, vaddr, nr, stream.read(nr * images.PAGE)


def digest(data):
    return images.hashlib.sha1(data).hexdigest()[:16]


def questions(directory):
    """Pages in a row of one pagemap, in no order: (name, vaddr, nr)."""
    out = []
    for name in images.pagemaps(directory):
        vaddrs = list(images.load(directory, name)[1])
        while vaddrs:
            nr, most = 1, random.choice((1, 1, 1, 7, 64))
            while nr < min(most, len(vaddrs)) and \
                    vaddrs[nr] == vaddrs[0] + nr * images.PAGE:
                nr += 1
            out.append((name, vaddrs[0], nr))
            del vaddrs[:nr]
    random.shuffle(out)
    return out


def ask(form, port, directory, flight="16"):
    form = int(form)
    todo, flying, lines = questions(directory), [], []
    connection, stream = connect(port)
    while todo or flying:
        while todo and len(flying) < int(flight):
            flying.append(todo.pop())
            name, vaddr, nr = flying[-1]
            connection.sendall(message(form, "get", name[8:-4], hex(vaddr), str(nr)))
        name, vaddr, nr = flying.pop(0)
        pid, at, got, data = answer(form, stream)
        assert (str(pid), at) == (name[8:-4], vaddr) and 0 < got <= nr, (pid, at, got)
        for i in range(got):
            page = data[i * images.PAGE:(i + 1) * images.PAGE]
            lines.append((name, vaddr + i * images.PAGE, digest(page)))
        if got < nr:
            todo.append((name, vaddr + got * images.PAGE, nr - got))
    connection.sendall(head(form, COMMANDS["close"]))
    assert stream.read(4) == bytes(4)
    for name, vaddr, what in sorted(lines):
        print(f"{name} {vaddr:#x} {what}")


def answers(form):
    while True:
        one = answer(int(form), sys.stdin.buffer)
        if one is None:
            return
        pid, vaddr, nr, data = one
        print(pid, hex(vaddr), nr, "-" if not nr else
              "zeros" if not any(data) else
              "right" if data in (content(vaddr, nr, f) for f in range(1, 5))
              else "wrong")


def flood(form, port, nr, pid, vaddr):
    form, nr = int(form), int(nr)
    connection, stream = connect(port)
    data = message(form, "get", pid, vaddr, "1") * nr
    connection.setblocking(False)
    sent = 0
    try:
        while sent < len(data):
            sent += connection.send(data[sent:sent + (1 << 20)])
    except BlockingIOError:
        pass
    print("sent", sent // form, flush=True)
    sys.stdin.readline()
    got = 0
    connection.setblocking(True)
    connection.shutdown(socket.SHUT_WR)
    while (one := answer(form, stream)) is not None:
        got += one[2]
    print("got", got)


def quiet(port, text=""):
    connection, stream = connect(port)
    connection.sendall(bytes.fromhex(text))
    print("connected", flush=True)
    print("ended", len(stream.read()))


def pretend(text):
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    try:
        connection.recv(24)
        connection.sendall(bytes.fromhex(text))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1 << 20)
    except OSError:
        pass  # the client has had enough


if __name__ == "__main__":
    {"pack": pack, "send": send, "ask": ask, "answers": answers, "flood": flood,
     "quiet": quiet, "pretend": pretend}[sys.argv[1]](*sys.argv[2:])
