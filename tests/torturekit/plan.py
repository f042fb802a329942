# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cases there are, and a sample of them."""
import random, sys
from collections import Counter

from . import cases
from .cases import CARRIERS, ERRORS, LIMITS, SIGNALS, Case
from .judge import judged
from .run import calls_of

# Each n-th point.  A stopped keeper takes a second.
STEPS = {'STOP': 7, 'TSTP': 7, 'TERM': 3}
FREEZE = {'TERM': 1, 'TSTP': 1}
MANY = 80  # calls of one kind
EACH = 24  # places of a fault that has none of its own


def spread(chance, low, high):
    """So many numbers between the two, evenly by their size."""
    return sorted({round(low * (high / low) ** chance.random())
                   for _ in range(EACH)})


def numbers(fault, chance, scene, stage):
    if fault == 'nofile':
        return range(4, 4 + EACH)
    if fault == 'space':  # KiB
        return spread(chance, 4 << 10, 128 << 10)
    if fault == 'memory':
        return spread(chance, 512, 16 << 10)
    if fault == 'full':
        return spread(chance, 4, 8 << 10) if stage == 'imgwrite' else ()
    first = stage == scene.stages[0]  # nothing carries bytes to it
    if fault == 'cut':
        return () if first else [0, *spread(chance, 1, 5 << 20)]
    if fault == 'pieces':
        return () if first else (1, 2, 3, 7, 64, 1000, 4096, 5000, 65537)
    return range(3)  # nonblock, pauses


def points_of(run):
    counts, points = Counter(), []
    for _, call, k in list(calls_of(run.log))[1:]:
        if k > counts[call]:
            counts[call] = k
            points.append((call, k))
    # As often as there are other processes here; the first and last will do.
    points = [(call, k) for call, k in points
              if not MANY < 2 * k < 2 * counts[call] - MANY]
    loaded = points.index(('munmap', 1)) if ('munmap', 1) in points else 0
    return counts, points, points[loaded + 1:]


def cases_of(scene, target, stage, options):
    """(case, whether to go on behind it)."""
    run = judged(scene, target, Case(scene.name), traced=stage)
    if run.faults:
        sys.exit(f'torture: unharmed, {stage} traced, this fails: {run}; '
                 f'{run.said}')
    chance = random.Random(f'{options.seed} {scene.name} {stage}')
    counts, points, ours = points_of(run)
    for fault in scene.faults:
        if fault in options.impossible or options.fault not in (None, fault):
            continue
        step = (FREEZE if stage == 'freeze' else {}).get(
            fault, STEPS.get(fault, 1))
        if fault in SIGNALS:
            for call, k in points[chance.randrange(step)::step]:
                yield Case(scene.name, stage, fault, f'{call}:{k}'), False
            for call in counts if fault == 'KILL' else ():
                yield Case(scene.name, stage, fault,
                           f'{call}:{counts[call] + 1}'), True
        elif fault in ERRORS:
            for call, k in ours:
                if call in ERRORS[fault] - scene.spared:
                    yield Case(scene.name, stage, fault, f'{call}:{k}'), False
        else:
            for number in numbers(fault, chance, scene, stage):
                yield Case(scene.name, stage, fault, str(number)), False


def sample(plan, options):
    """Evenly, and in their order, as a change of modes takes time; but where
    time ends it, from all of them."""
    if options.plant:
        return plan[:options.cases]
    number = min(options.cases, len(plan))
    chosen = random.Random(options.seed).sample(range(len(plan)), number)
    return [plan[i] for i in
            (chosen if options.minutes else sorted(chosen))]
