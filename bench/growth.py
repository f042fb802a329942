# SPDX-License-Identifier: GPL-3.0-or-later
"""How the time of a copy, and its stop, grow with a target: a table, and a plot."""
import contextlib
import os
import subprocess
from math import log2
from statistics import median
from typing import Callable, NamedTuple

import kit
from kit import Target, runs, section
from report import GIB, MIB, bound, say, say_table


class Point(NamedTuple):
    """Medians, of a target with that many of something."""
    many: int
    time: float  # ms, the whole copy
    stop: float  # ms


class Series(NamedTuple):
    name: str
    first: int
    last: int
    target: Callable  # how many -> the command

    def doubled(self):
        return [self.first << i for i in range(int(log2(self.last / self.first)) + 1)]


def with_others(kind):
    return lambda many: 'victim anon=16M' + (f' {kind}={many - 1}' if many > 1 else '')


def all_series():
    largest = kit.sized(8 * GIB, 1 * GIB, 2.2) // MIB
    quick = kit.OPTIONS.quick
    return [Series('memory, MiB', 256, largest, lambda many: f'victim anon={many}M'),
            Series('mappings', 100, 6400 if quick else 102400, lambda many: f'victim small={many}'),
            Series('threads', 1, 64 if quick else 256, with_others('blocked')),
            Series('processes', 1, 16 if quick else 64, with_others('children'))]


def measure_points(targets):
    """In turns: many -> Target. A first time is not counted."""
    samples = {many: [] for many in targets}
    for target in targets.values():
        kit.copy_stopped(target.pid)
    for _ in range(runs(9, 3)):
        for many, target in targets.items():
            samples[many].append(kit.copy_stopped(target.pid))
    return [Point(many, median([cost.wall for cost, _ in taken]) * 1e3,
                  median([stop for _, stop in taken])) for many, taken in samples.items()]


def measure(series):
    """Targets of much memory are not there together."""
    groups = [series.doubled()]
    if series.name.startswith('memory'):
        groups = [[many] for many in groups[0]]
    points = []
    for group in groups:
        with contextlib.ExitStack() as stack:
            points += measure_points({many: stack.enter_context(Target(series.target(many)))
                                      for many in group})
    return points


def steepest(points, what):
    """The largest growth by a doubling, and behind how many."""
    return max((getattr(b, what) / getattr(a, what), a.many) for a, b in zip(points, points[1:]))


def state(series, points):
    for what in 'time', 'stop':
        growth, many = steepest(points, what)
        bound(f'growth, {series.name}, {what}, by a doubling (from {many})', growth, 2.4)


# What one more takes of the stop.
WHY = {
    'memory, MiB': 'nothing of it is looked at',
    'mappings': 'the kernel prints a line of /proc/PID/maps',
    'threads': 'is seized, interrupted, asked for its registers and, in each pass, its children',
    'processes': 'that, and its own maps',
}


def say_each(series, points):
    """The slope of the upper half."""
    half, last = points[len(points) // 2], points[-1]
    us = 1e3 * (last.stop - half.stop) / (last.many - half.many)
    say(f'  one more of {series.name}: {us:.2f} us of the stop ({WHY[series.name]})')


def rows(series, points):
    for before, point in zip([None] + points, points):
        grown = [f'{getattr(point, what) / getattr(before, what):.2f}' if before else ''
                 for what in ('time', 'stop')]
        yield [series.name, str(point.many), f'{point.time:.1f}', grown[0],
               f'{point.stop:.3f}', grown[1]]


# -------------------------------------------------------------------- the plot

COLOURS = '#1f5fa8', '#c0392b', '#2e8b57', '#8e44ad'


def panel(taken, what):
    blocks, lines = [], []
    for i, (series, points) in enumerate(taken):
        data = '\n'.join(f'{p.many / series.first} {getattr(p, what)}' for p in points)
        blocks.append(f'$of{i} << EOD\n{data}\nEOD\n')
        lines.append(f'$of{i} title "{series.name}, from {series.first}" with linespoints '
                     f'lc "{COLOURS[i]}" pt 7 ps 0.4')
    return f'set title "the {what}"\n' + ''.join(blocks) + 'plot ' + ', '.join(lines) + '\n'


def plot(taken, path):
    script = f'''set terminal svg size 900,400 font "sans,12" background "white"
set output "{path}"
set logscale xy
set logscale x 2
set xlabel "times as many"
set format y "%g ms"
set grid
unset mxtics; unset mytics
set key top left
set multiplot layout 1,2
''' + panel(taken, 'time') + panel(taken, 'stop')
    subprocess.run(['gnuplot'], input=script, text=True, check=True)


@section
def growth():
    taken = []
    with kit.many_mappings(300000):
        for series in all_series():
            taken.append((series, measure(series)))
    say_table('growth: freeze PID | vmalist | memread | imgwrite DIR',
              ['', 'of them', 'ms', 'by', 'stop ms', 'by'],
              [row for series, points in taken for row in rows(series, points)])
    say()
    for series, points in taken:
        say_each(series, points)
        state(series, points)
    plot(taken, os.path.join(kit.ROOT, 'bench/growth.svg') if kit.OPTIONS.keep
         else kit.scratch('growth.svg'))
