# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a run: the machine, the tables, the stated numbers. All of it
is printed, and with --keep it becomes RESULTS.md.
"""
import os
import subprocess
import time
from typing import NamedTuple

MIB, GIB = 1 << 20, 1 << 30

SAID = []
VERDICTS = []


def say(text=''):
    SAID.append(text)
    print(text, flush=True)


# ----------------------------------------------------------------- the numbers

class Verdict(NamedTuple):
    kind: str
    name: str
    value: str
    limit: str
    fine: bool


def state(kind, name, value, unit, most, least):
    """One of the two is given, or none."""
    limit = '' if most is least else f'at most {most}{unit}' if least is None else f'at least {least}{unit}'
    fine = (most is None or value <= most) and (least is None or value >= least)
    VERDICTS.append(Verdict(kind, name, f'{value:.2f}{unit}', limit, fine))


def bound(name, value, most=None, unit='', least=None):
    """A ratio or an amount of memory that must be within its limit."""
    state('bound', name, value, unit, most, least)


def aim(name, value, most=None, unit='', least=None):
    """An absolute time, or what we would like: a miss fails nothing."""
    state('aim', name, value, unit, most, least)


def ratio(name, value):
    """For comparison: no limit is set."""
    state('ratio', name, value, '', None, None)


def say_verdicts():
    """True: no bound was missed."""
    say()
    for v in VERDICTS:
        end = f' ({v.limit}) {"ok" if v.fine else "MISSED"}' if v.limit else ''
        say(f'{v.kind}: {v.name}: {v.value}{end}')
    return all(v.fine for v in VERDICTS if v.kind == 'bound')


def say_table(title, head, rows):
    """The first column to the left, the others to the right."""
    rows = [head] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    say(f'\n{title}\n')
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        say('  ' + '  '.join(cells).rstrip())


# ------------------------------------------------------------------ the machine

def first_value(path, key):
    with open(path) as file:
        for line in file:
            if line.startswith(key):
                return line.split(':')[1].strip()
    return '?'


def fitting(size, times=4):
    """size, halved until that many times as much is free."""
    free = 1024 * int(first_value('/proc/meminfo', 'MemAvailable').split()[0])
    while times * size > free:
        size //= 2
    return size


def mount_of(path):
    """Where the file system is that holds path, its type, and what is mounted."""
    path, best = os.path.realpath(path), ('', '?', '?')
    with open('/proc/self/mounts') as file:
        for source, place, kind, *_ in map(str.split, file):
            inside = path == place or path.startswith(place.rstrip('/') + '/')
            if inside and len(place) >= len(best[0]):
                best = place, kind, source
    return best


def commit():
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run(['git', '-C', here, 'describe', '--always', '--dirty', '--abbrev=12'],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or 'unknown'


def say_machine(images, disk):
    memory_kib = int(first_value('/proc/meminfo', 'MemTotal').split()[0])
    with open('/sys/kernel/mm/transparent_hugepage/enabled') as file:
        huge = file.read().strip()
    with open('/proc/loadavg') as file:
        load = file.read().split()[0]
    say(f'commit  {commit()}')
    say(f'date    {time.strftime("%Y-%m-%d %H:%M", time.gmtime())} UTC')
    say(f'kernel  {os.uname().release} {os.uname().machine}')
    say(f'CPU     {len(os.sched_getaffinity(0))} x {first_value("/proc/cpuinfo", "model name")}')
    say(f'memory  {memory_kib / MIB:.1f} GiB, huge pages {huge}')
    say(f'images  into a {mount_of(images)[1]}; the disk is {mount_of(disk)[1]}')
    say(f'load    {load} when this began')


def keep(path, took):
    with open(path, 'w') as file:
        file.write('# One run of the bench\n\n'
                   f'Made by `make bench KEEP=1` in {took / 60:.0f} minutes. Ratios are of medians within this\n'
                   'run; a bound must hold, an aim is what we would like. Times are of this machine.\n\n'
                   '![how it grows](growth.svg)\n\n```\n' + '\n'.join(SAID).strip() + '\n```\n')
