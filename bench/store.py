# SPDX-License-Identifier: GPL-3.0-or-later
"""A redis-server under redis-benchmark, as something that has users who notice;
and its section."""
import contextlib
import csv
import os
import shutil
import subprocess
import time
from statistics import median
from typing import NamedTuple

import kit
from kit import runs, section
from report import MIB, ratio, say_table

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


ROUND_EVERY = 0.25  # s


class Ways:
    """In which a redis is disturbed while it answers."""

    def __init__(self, store):
        self.store, self.number = store, 0

    def rest(self):
        time.sleep(0.01)

    def round(self):
        self.number += 1
        kit.make_round(self.store.pid, self.number)
        time.sleep(ROUND_EVERY)

    def whole(self):
        kit.copy_whole(self.store.pid)
        time.sleep(ROUND_EVERY)

    def measure(self, requests):
        """name -> its Answers: alone, tracked, with rounds, and copied whole."""
        answer = self.store.under_load
        alone = answer(requests, self.rest)
        whole = answer(requests, self.whole)
        with kit.tracked(self.store.pid):
            self.number = 0
            self.round()
            tracked = answer(requests, self.rest)
            rounds = answer(requests, self.round)
            made = self.number
        shutil.rmtree(kit.scratch(f'round.{made}'))
        return {'alone': alone, 'tracked, no round': tracked,
                f'a round each {ROUND_EVERY} s': rounds, 'copied whole as often': whole}, made


@section
def redis():
    requests = 100000 if kit.OPTIONS.quick else 300000
    seen, made = {}, 0
    with Store() as target:
        ways = Ways(target)
        target.under_load(requests, ways.rest) # its memory is all there from then on
        before = target.errors()
        while made < 20 or len(next(iter(seen.values()))) < runs(5, 3):
            answers, rounds_made = ways.measure(requests)
            made += rounds_made
            for name, answer in answers.items():
                seen.setdefault(name, []).append(answer)
        if target.errors() != before:
            raise kit.Failed(f'redis counts errors: {target.errors()}, before: {before}')
    middle = {name: [median(values) for values in zip(*answers)] for name, answers in seen.items()}
    say_table(f'redis with {KEYS * VALUE // MIB} MiB under redis-benchmark, SET; {made} rounds',
                ['', 'a second', 'p99 ms', 'slowest ms'],
                [[name, f'{rate:.0f}', f'{p99:.2f}', f'{slowest:.2f}']
                 for name, (rate, p99, slowest) in middle.items()])
    (rate, p99, _), *others = middle.values()
    for name, (other_rate, other_p99, _) in zip(list(middle)[1:], others):
        ratio(f'redis, {name}, answers : alone', other_rate / rate)
        ratio(f'redis, {name}, p99 : alone', other_p99 / p99)
