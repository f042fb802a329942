# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sections of bench/run are made of: targets, commands, what they cost.

A section is a function with @section that says a table and calls bound(), aim()
or ratio() of report.py. A command that fails, or a target that does not start, raises Failed.
"""
import contextlib
import ctypes
import mmap
import os
import shutil
import signal
import subprocess
import time
from statistics import median
from typing import NamedTuple

from report import first_value, fitting

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROCESSORS = len(os.sched_getaffinity(0))
SCRATCH = None  # a directory of ours in a tmpfs, where what is written goes


class Failed(Exception):
    pass


def scratch(name):
    return os.path.join(SCRATCH, name)


# ---------------------------------------------------------------- the sections

SECTIONS = {}
OPTIONS = None  # of the command line


def section(function):
    SECTIONS[function.__name__] = function
    return function


def runs(usual, quick):
    return OPTIONS.n or (quick if OPTIONS.quick else usual)


def sized(usual, quick, times=4):
    """As much memory as is free that many times."""
    return fitting(quick if OPTIONS.quick else usual, times)


# ------------------------------------------------------------------ the machine

@contextlib.contextmanager
def raised(path, least):
    """A number of the system's, raised and put back; nothing where it is not."""
    try:
        with open(path) as file:
            before = file.read()
        if int(before) < least:
            write_text(path, str(least))
    except OSError:
        before = str(least)
    try:
        yield
    finally:
        if int(before) < least:
            write_text(path, before)


def many_mappings(least):
    return raised('/proc/sys/vm/max_map_count', least)


def memory_kept():
    """A virtual machine gives free memory back to its host, and to have it again
    takes several times as long as to write to it.  Not meanwhile."""
    return raised('/sys/module/page_reporting/parameters/page_reporting_order', 11)


def write_text(path, text):
    with open(path, 'w') as file:
        file.write(text)


# ----------------------------------------------------------------- the commands

class Stage(NamedTuple):
    name: str
    cpu: float   # seconds, user and system
    peak: float  # bytes, the largest resident memory


class Cost(NamedTuple):
    wall: float  # seconds
    stages: list

    @property
    def cpu(self):
        return sum(stage.cpu for stage in self.stages)

    @property
    def peak(self):
        return max(stage.peak for stage in self.stages)


def output_of(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise Failed(f'{" ".join(command)}: exit code {result.returncode}\n{result.stderr}')
    return [line.split() for line in result.stdout.splitlines()], result.stderr


def cost_of(text, lines, errors):
    wall, *lines = lines
    codes = [code for _, code, _, _ in lines]
    if set(codes) != {'0'}:
        raise Failed(f'{text}: exit codes {" ".join(codes)}\n{errors}')
    stages = [Stage(name, int(cpu) / 1e9, int(peak)) for name, _, cpu, peak in lines]
    return Cost(int(wall[1]) / 1e9, stages)


def pipeline(text, output='/dev/null', by=''):
    """Runs a pipeline, written as for a shell but without quotes; its Cost."""
    return cost_of(text, *output_of(by.split() + ['pipeline', '-o', output] + text.split()))


WHOLE = 'freeze {pid} | vmalist | memread | imgwrite {images}'
DRIVEN = 'predump -q -t {pid} -D {images}'
ONE_CPU = f'taskset -c {min(os.sched_getaffinity(0))}'


@contextlib.contextmanager
def copied(pid, way=WHOLE, by='', into=None):
    """One pre-dump: its Cost and its directory, which is removed again."""
    images = os.path.join(into or SCRATCH, 'images')
    try:
        yield pipeline(way.format(pid=pid, images=images), by=by), images
    finally:
        shutil.rmtree(images, ignore_errors=True)


@contextlib.contextmanager
def tracked(pid):
    """A chain of rounds, by memtrack; how long that took to begin."""
    began = time.monotonic()
    output_of(['memtrack', '--daemon', str(pid)])
    try:
        yield time.monotonic() - began
    finally:
        output_of(['memtrack', '--stop', str(pid)])


def make_round(pid, number):
    """Of a chain in SCRATCH: its Cost, and how long it stopped in ms. Only the
    last directory is kept."""
    parent = f'--parent ../round.{number - 1}' if number > 1 else ''
    images = scratch(f'round.{number}')
    cost = pipeline(f'freeze {pid} | vmalist | memread | imgwrite {parent} {images}')
    if number > 1:
        shutil.rmtree(scratch(f'round.{number - 1}'))
    return cost, stopped_ms(os.path.join(images, 'pagepipe.head'))


def need_size(path, least):
    if os.path.getsize(path) < least:
        raise Failed(f'{path}: smaller than the memory that it is a copy of')


def copy_whole(pid, way=WHOLE, least=0, by='', into=None):
    with copied(pid, way, by, into) as (cost, images):
        need_size(os.path.join(images, 'pages-1.img'), least)
        return cost


def copy_stopped(pid):
    with copied(pid) as (cost, images):
        return cost, stopped_ms(os.path.join(images, 'pagepipe.head'))


def copy_gcore(pid, least):
    core = scratch('core')
    try:
        cost = pipeline(f'gcore -o {core} {pid}')
        need_size(f'{core}.{pid}', least)
        return cost
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f'{core}.{pid}')


def copy_limit(mode, target, loop=False):
    """By bench/limit.c, as a process like every other; loop: what that measures
    itself, of its loop alone."""
    path = [] if mode == 'read' else [scratch(mode)]
    command = lambda mode: ['limit', mode, str(target.pid), *target.region, *path]
    if mode == 'copy':
        output_of(command('allocate'))
    if loop:
        [(wall, cpu)], _ = output_of(command(mode))
        cost = Cost(int(wall) / 1e9, [Stage(mode, int(cpu) / 1e9, 0)])
    else:
        cost = pipeline(' '.join(command(mode)))
    if mode == 'write':
        os.unlink(*path)
    return cost


def stopped_ms(stream):
    """How long the target was stopped: the keeper's own measurement."""
    with open(stream, 'rb') as file:  # cut short after the head, so no exit code
        dump = subprocess.run(['framedump'], stdin=file, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    for line in dump.stdout.splitlines():
        if line.startswith('THAWED '):
            return int(line.split('stopped_ns=')[1].split()[0]) / 1e6
    raise Failed(f'{stream}: no THAWED in it')


def measure_in_turns(ways, rounds):
    """ways: name -> function that returns a Cost. The result: name -> [Cost];
    those of one index were measured one after another, in changing order. Not
    counted is a first time: a virtual machine's memory comes slowly then."""
    costs = {name: [] for name in ways}
    names = list(ways)
    for way in ways.values():
        way()
    for i in range(rounds):
        for name in names[i % len(names):] + names[:i % len(names)]:
            costs[name].append(ways[name]())
    return costs


def ratio_of(costs, over, under, what='wall'):
    """The median of the ratios within a round."""
    return median([getattr(a, what) / getattr(b, what) for a, b in zip(costs[over], costs[under])])


# ------------------------------------------------------------------ the targets

class Beat(ctypes.Structure):
    """struct beat of tests/helpers/victim.c, in the file of its shm=."""
    _fields_ = [(name, ctypes.c_uint64) for name in ('counter', 'max_gap_ns', 'reset', 'wrong')]


class Target:
    """A process to be copied, for the time of a with block: pid, and region,
    the addresses of its first mapping (hex).

    One that spins has a thread that reads the clock in a loop and notes the
    largest gap: stall().
    """
    number = 0

    def __init__(self, command, spins=False):
        self.command = command.split()
        self.beat_path = None
        if spins:
            Target.number += 1
            self.beat_path = scratch(f'beat.{Target.number}')
            self.command.append(f'shm={self.beat_path}')

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        lines = []
        while not lines or lines[-1][0] != 'ready':
            lines.append(self.process.stdout.readline().split())
            if not lines[-1] or lines[-1][1] in ('unavailable', 'unsupported'):
                self.__exit__()
                raise Failed(f'{" ".join(self.command)}: {lines}')
        self.region = lines[0][1:]
        if self.beat_path:
            with open(self.beat_path, 'r+b') as file:
                self.beat = Beat.from_buffer(mmap.mmap(file.fileno(), mmap.PAGESIZE))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def stand(self):
        """It uses no CPU until go()."""
        os.kill(self.pid, signal.SIGSTOP)

    def go(self):
        os.kill(self.pid, signal.SIGCONT)

    def stall(self, action):
        """What action() returns, and the spinning thread's largest gap, in ms."""
        self.beat.reset = 1
        while self.beat.reset:
            time.sleep(0.001)
        result = action()
        seen = self.beat.counter
        while self.beat.counter < seen + 2:  # a gap is noted when it is over
            time.sleep(0.001)
        return result, self.beat.max_gap_ns / 1e6

    def tell(self, line):
        """The words of its answer."""
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def huge_percent(self):
        """How much of its memory lies in huge pages."""
        rollup = f'/proc/{self.pid}/smaps_rollup'
        huge, anonymous = (int(first_value(rollup, key).split()[0])
                           for key in ('AnonHugePages', 'Anonymous'))
        return 100 * huge / anonymous
