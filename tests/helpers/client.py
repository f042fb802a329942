# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of redis that knows every answer before it asks."""
import random, socket, time

BATCH = 16   # questions at once
KEYS = 2000  # of VALUE bytes at most
VALUE = 1000

class Wrong(Exception):
    pass

class Connection:
    """Fails with OSError, also when an answer is late, or Wrong."""

    def __init__(self, path, patience):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(path)
        self.longest = 0

    def ask(self, question, answer):
        begin, at = time.monotonic(), 0
        self.socket.sendall(question)
        while at < len(answer):
            got = self.socket.recv(len(answer) - at)
            if not got:
                raise Wrong('the connection is closed')
            if got != answer[at:at + len(got)]:
                raise Wrong(f'{got[:60]!r} is no answer to {question[:60]!r}')
            at += len(got)
        self.longest = max(self.longest, time.monotonic() - begin)

    def say(self, *words):
        self.ask(words_of(*words), b'+OK\r\n')

def bulk_of(value):
    return b'$-1\r\n' if value is None else b'$%d\r\n%b\r\n' % (len(value),
                                                               value)

def words_of(*words):
    return b'*%d\r\n' % len(words) + b''.join(map(bulk_of, words))

class Client:
    """Asks what it knows: nobody else writes to its keys."""

    def __init__(self, number, path, patience, seed):
        self.random = random.Random(f'{seed} {number}')
        self.connection = Connection(path, patience)
        self.known, self.count = {}, 0
        self.prefix = b'client%d:' % number

    def key(self, number):
        return self.prefix + b'%d' % number

    def any(self):
        """A question and its answer."""
        key = self.key(self.random.randrange(KEYS))
        value = self.known.get(key)
        verb = self.random.choice((b'SET', b'GET', b'GET', b'GETDEL',
                                   b'APPEND', b'INCR'))
        if verb == b'INCR':
            self.count += 1
            return words_of(verb, self.prefix), b':%d\r\n' % self.count
        if verb in (b'GET', b'GETDEL'):
            if verb == b'GETDEL':
                self.known.pop(key, None)
            return words_of(verb, key), bulk_of(value)
        new = self.random.randbytes(self.random.randrange(1, VALUE))
        if verb == b'APPEND' and len(value or b'') + len(new) <= VALUE:
            self.known[key] = (value or b'') + new
            return words_of(verb, key, new), b':%d\r\n' % len(self.known[key])
        self.known[key] = new
        return words_of(b'SET', key, new), b'+OK\r\n'

    def ask_some(self):
        questions, answers = zip(*(self.any() for _ in range(BATCH)))
        self.connection.ask(b''.join(questions), b''.join(answers))

    def ask_all(self):
        for key in map(self.key, range(KEYS)):
            self.connection.ask(words_of(b'GET', key),
                                bulk_of(self.known.get(key)))
