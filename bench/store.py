# SPDX-License-Identifier: GPL-3.0-or-later
"""A redis-server under redis-benchmark, as something that has users who notice."""
import contextlib
import csv
import os
import subprocess
import time
from typing import NamedTuple

import kit

KEYS = 200000
VALUE = 1000  # bytes


class Answers(NamedTuple):
    rate: float    # a second
    p99: float     # ms
    slowest: float # ms


class Store:
    def __enter__(self):
        self.path = kit.scratch('redis.sock')
        self.process = subprocess.Popen(
            ['redis-server', '--port', '0', '--unixsocket', self.path, '--save', '',
             '--dir', kit.SCRATCH, '--enable-debug-command', 'local'],
            stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path):
            if time.monotonic() > deadline:
                raise kit.Failed('redis-server does not start')
            time.sleep(0.01)
        self.ask('debug', 'populate', KEYS, 'key', VALUE)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        return kit.output_of(['redis-cli', '-s', self.path, *map(str, words)])[0]

    def errors(self):
        return [line for line in self.ask('info', 'stats')
                if line and line[0].startswith(('total_error_replies', 'rejected_conn'))]

    def under_load(self, requests, meanwhile):
        """The Answers to SETs of random keys; meanwhile() again and again."""
        load = subprocess.Popen(
            ['redis-benchmark', '-s', self.path, '--csv', '-t', 'set', '-n', str(requests),
             '-r', str(KEYS), '-d', str(VALUE)], stdout=subprocess.PIPE, text=True)
        try:
            while load.poll() is None:
                meanwhile()
            table = list(csv.DictReader(load.stdout))
        finally:
            with contextlib.suppress(ProcessLookupError):
                load.kill()
            load.wait()
        if load.returncode or len(table) != 1:
            raise kit.Failed(f'redis-benchmark: exit code {load.returncode}')
        return Answers(*(float(table[0][key])
                         for key in ('rps', 'p99_latency_ms', 'max_latency_ms')))
