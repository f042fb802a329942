# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside criu: its pre-dump (CRIU=path, or the criu that is installed), and its
lazy restore (the criu of tests/vm/native).
"""
import contextlib
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
from statistics import median

import kit
from kit import ROOT, Target, runs, section, sized
from report import GIB, MIB, aim, ratio, say, say_table

CRIU = os.environ.get('CRIU') or shutil.which('criu') or 'criu'
THEIRS = CRIU + ' pre-dump -t {pid} -D {images} -o log --pre-dump-mode '

PLAIN = {'pipeline': kit.WHOLE, 'predump': kit.DRIVEN}
# criu begins a record, too, where the kernel keeps one.
TRACKING = {
    'pipeline that tracks': kit.WHOLE.replace('vmalist', 'vmalist --track=soft-dirty'),
    'predump that tracks': kit.DRIVEN + ' --track-mem',
}
CRIUS = {'criu, read': THEIRS + 'read', 'criu, splice': THEIRS + 'splice'}


def has_soft_dirty():
    """Bit 55 of a page that is just written; proc_pid_pagemap(5)."""
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE) as page, \
            open('/proc/self/pagemap', 'rb') as pagemap:
        page[0] = 1
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        pagemap.seek(at // mmap.PAGESIZE * 8)
        return bool(struct.unpack('=Q', pagemap.read(8))[0] >> 55 & 1)


def frozen_ms(images):
    """From stats-dump: behind 12 bytes an entry whose field 1, dump, has the
    microseconds in field 2."""
    with open(os.path.join(images, 'stats-dump'), 'rb') as file:
        data = file.read()[14:]
    fields, at = {}, 0
    while at < len(data):  # varints all
        numbers = []
        for _ in range(2):
            value = shift = 0
            while True:
                byte, at = data[at], at + 1
                value, shift = value | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            numbers.append(value)
        fields[numbers[0] >> 3] = numbers[1]
    return fields[2] / 1e3


class Copy(kit.Cost):
    """And how long it was frozen, and what it missed, in ms."""
    frozen = missed = 0


@contextlib.contextmanager
def copied(way, target):
    images = kit.scratch('beside')
    os.mkdir(images)
    try:
        yield lambda: kit.pipeline(way.format(pid=target.pid, images=images)), images
    finally:
        shutil.rmtree(images)


def copy_by(way, idle, spinning):
    """What one that is idle costs, and how long one that spins stands still."""
    with copied(way, idle) as (copy, _):
        cost = Copy(*copy())
    spinning.go()
    with copied(way, spinning) as (copy, images):
        _, cost.missed = spinning.stall(copy)
        cost.frozen = frozen_ms(images)
    spinning.stand()
    return cost


def why_not():
    """In one line, why criu's pre-dump cannot be measured here; or None."""
    images = kit.scratch('tried')
    os.mkdir(images)
    try:
        with Target('victim anon=1M') as target:
            done = subprocess.run((THEIRS + 'read').format(pid=target.pid, images=images).split(),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode == 0:
                return None
        with contextlib.suppress(FileNotFoundError), open(os.path.join(images, 'log')) as file:
            said = [line.strip() for line in file if 'Error' in line and 'exited, status' not in line]
            return (said or [done.stdout.strip()])[0]
        return done.stdout.strip()
    except OSError as error:
        return str(error)
    finally:
        shutil.rmtree(images)


@section
def criu():
    why = why_not()
    if why is not None:
        say(f'\ncriu pre-dump does not work here: {why}')
        return
    size = sized(1 * GIB, 256 * MIB)
    ours = TRACKING if has_soft_dirty() else PLAIN
    with Target(f'victim anon={size}') as idle, \
            Target(f'victim anon={size} spin', spins=True) as spinning:
        spinning.stand()
        costs = kit.measure_in_turns({name: lambda way=way: copy_by(way, idle, spinning)
                                      for name, way in {**PLAIN, **ours, **CRIUS}.items()}, runs(5, 3))
    rows = [[name] + [f'{median([getattr(copy, what) for copy in copies]) * scale:.{digits}f}'
                      for what, scale, digits in (('frozen', 1, 3), ('missed', 1, 3), ('wall', 1, 3),
                                                  ('cpu', GIB / size, 2), ('peak', 1 / MIB, 1))]
            for name, copies in costs.items()]
    version = subprocess.check_output([CRIU, '--version'], text=True).split()[1]
    say_table(f'criu: {size // MIB} MiB, idle; frozen and missed: with a thread that spins; CRIU {version}' +
                ('' if ours is TRACKING else ', which lacks soft-dirty bits here'),
              ['', 'frozen ms', 'missed ms', 's', 'CPU s/GiB', 'largest MiB'], rows)
    for way in ours:
        aim(f'criu, rate, {way} : read', kit.ratio_of(costs, 'criu, read', way), least=1.5)
        for theirs in CRIUS:
            for what in 'frozen', 'missed', 'wall', 'cpu', 'peak':
                ratio(f'{theirs} : {way}, {what}', kit.ratio_of(costs, theirs, way, what))


# ------------------------------------------------------------ the lazy restore

def restore_lazily(native, mib, rounds):
    """(mode, daemon) -> what bench/lazily has said of each round, as numbers."""
    place = kit.scratch('lazily')
    os.mkdir(place)
    taken = {}
    lines, _ = kit.output_of([native, place, '/pagepipe/bench/lazily', str(mib), str(rounds)])
    for mode, daemon, *numbers in lines:
        taken.setdefault((mode, daemon), []).append([int(number) for number in numbers])
    shutil.rmtree(place)
    return taken


def lazy_row(mode, daemon, samples, size):
    first, there, touched, faults, usual, slow, cpu = (median(column) for column in zip(*samples))
    hard = [f'{touched / 1e6:.0f}', f'{faults:.0f}', f'{usual:.0f}', f'{slow:.0f}']
    return [f'{mode}, {daemon}', f'{first / 1e6:.1f}', f'{there / 1e6:.0f}', f'{size / there:.2f}',
            f'{cpu * GIB / size / 1e9:.2f}'] + (hard if mode == 'hard' else [''] * 4)


@section
def lazy():
    size = sized(1 * GIB, 256 * MIB, 6)
    taken = restore_lazily(os.path.join(ROOT, 'tests/vm/native'), size // MIB, runs(7, 3))
    say_table(f'lazy: criu restore --lazy-pages of {size // MIB} MiB; idle, or two threads that '
                'touch all of it at random',
                ['', 'first ms', 'there ms', 'GB/s', 'CPU s/GiB', 'touched ms', 'faults', 'us', '99 %'],
                [lazy_row(*key, samples, size) for key, samples in taken.items()])
    for mode in 'idle', 'hard':
        for name, column in ('until it runs', 0), ('until it is whole', 1), ('CPU', 6):
            ratio(f'lazy, {mode}, {name}, lazyserve : criu lazy-pages',
                  median([ours[column] / theirs[column] for ours, theirs
                          in zip(taken[mode, 'lazyserve'], taken[mode, 'criu'])]))
