#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relay.py HOST PORT MS: stdin and stdout to and from a TCP port, MS late each
way, as ssh's ProxyCommand.  A kernel without netem cannot delay; and killing
this is cutting the wire."""
import collections
import os
import selectors
import socket
import sys
import time

CHUNK = 65536
MOST = 1 << 20  # bytes under way; more wait where they come from


class Way:
    def __init__(self, source, sink, delay):
        self.source, self.sink, self.delay = source, sink, delay
        self.queue, self.size, self.ended = collections.deque(), 0, False

    def take(self):
        data = os.read(self.source, CHUNK)
        self.ended = not data
        self.queue.append((time.monotonic() + self.delay, data))
        self.size += len(data)

    def due(self):
        return self.queue[0][0] - time.monotonic() if self.queue else None

    def give(self):
        """False: the other end has been told that this one has ended."""
        while self.queue and self.due() <= 0:
            data = self.queue.popleft()[1]
            if not data:
                return False
            self.size -= len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self.sink, view):]
        return True


def main():
    host, port, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000
    peer = socket.create_connection((host, port))
    ways = [Way(0, peer.fileno(), delay), Way(peer.fileno(), 1, delay)]
    while ways:
        with selectors.DefaultSelector() as selector:
            for way in ways:
                if not way.ended and way.size < MOST:
                    selector.register(way.source, selectors.EVENT_READ, way)
            due = [way.due() for way in ways if way.queue]
            for key, _ in selector.select(max(min(due), 0) if due else None):
                key.data.take()
        for way in list(ways):
            if not way.give():
                ways.remove(way)
                if way.sink == peer.fileno():
                    peer.shutdown(socket.SHUT_WR)
                else:
                    return


main()
