# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who run the cases, side by side, and what they report."""
import dataclasses, os, random, tempfile, time, traceback
from collections import Counter

from . import cases
from .cases import Case
from .judge import judged
from .scenes import all_of
from .target import Target


class Worker:
    def __init__(self, folder, options, shared):
        self.options, self.shared = options, shared
        self.send = shared.queue.put
        self.folder = tempfile.mkdtemp(dir=folder)
        self.parent, self.scene = os.getpid(), None

    def take(self):
        """(case, whether to go on behind it, what to do wrong)."""
        with self.shared.taken.get_lock():
            number = self.shared.taken.value
            self.shared.taken.value += 1
        late = time.monotonic() > self.shared.until
        if late or os.getppid() != self.parent:
            return None
        if number < len(self.shared.cases):
            plant = None if number else self.options.plant
            return *self.shared.cases[number], plant
        number -= len(self.shared.cases)
        if number >= self.options.random and not self.options.minutes:
            return None
        return self.at_random(number), False, None

    def at_random(self, number):
        """Half of them where the target is stopped all the time."""
        random.seed(f'{self.options.seed} {number}')
        mode = 'consistent'
        if number % 2:
            mode = random.choice(('driver', 'driven', 'memtrack', 'lazyserve',
                                  'rounds'))
        most = {'consistent': 1.5, 'rounds': 1.5}.get(mode, 0.3)
        return Case(mode, after=round(random.uniform(0, most), 3))

    def work(self):
        try:
            self.scenes = all_of(self.folder)
            self.target = Target(self.folder)
            while work := self.take():
                case, goes_on, plant = work
                try:
                    while self.attempt(case, plant).reached and goes_on:
                        case = dataclasses.replace(
                            case, at=f'{case.call}:{case.number + 1}')
                except Exception:  # of the harness, or of what it needs
                    self.send(('failed', f'FAILED: {case}: ' +
                               traceback.format_exc()))
                    self.renew()
            self.renew()
            self.target.end()
        except Exception:
            self.send(('failed', 'FAILED: ' + traceback.format_exc()))
        self.send(('done', None))

    def renew(self):
        """Another target: nothing is tracked any more."""
        for scene in self.scenes.values():
            scene.leave()
        self.target.end()
        self.target = Target(self.folder)

    def scene_of(self, mode):
        if self.scene and self.scene.name != mode:
            self.scene.leave()
        self.scene = self.scenes[mode]
        return self.scene

    def attempt(self, case, plant):
        for tries in 3, 2, 1:
            run = judged(self.scene_of(case.mode), self.target, case, plant)
            case, said = run.case, run.said
            if run.faults or run.died:
                self.renew()
            if not run.faults:
                break
            if tries == 1 or not run.only_late:
                self.send(('failed', f'FAILED: {run}, and said {said}; '
                                     f'repeat: tests/torture {case}'))
                break
            self.send(('retry', f'late, tried again: {run}'))
            time.sleep(4 * cases.RUNS_ON)
        self.send(('case', (case, run.reached, run.hit, run.died)))
        return run


class Report:
    def __init__(self):
        self.hurt, self.not_hurt = Counter(), Counter()
        self.failed = self.retries = self.random = self.stopped = 0
        self.died = self.cases = 0

    def take(self, kind, what):
        self.failed += kind == 'failed'
        self.retries += kind == 'retry'
        if kind != 'case':
            return what and print(what, flush=True)
        case, reached, hit, died = what
        where = 'random' if case.after is not None else case.fault
        counts = self.hurt if reached else self.not_hurt
        counts[case.mode, str(case.stage), where] += 1
        held = case.after is not None and case.mode == 'consistent'
        self.random += held
        self.stopped += held and bool(hit)
        self.died += died
        self.cases += 1
        if self.cases % 500 == 0:
            print(f'{self.cases} cases, {self.failed} failed', flush=True)

    def tell(self, seed, seconds):
        balance = Counter()
        for key in sorted(self.hurt | self.not_hurt):
            hurt, not_hurt = self.hurt[key], self.not_hurt[key]
            print('%-10s %-9s %-8s' % key, f'{hurt:5} hurt {not_hurt:4} not')
            if key[2] != 'random':
                balance[key[:2]] += 3 * hurt - not_hurt
        if min(balance.values(), default=0) < 0:
            self.take('failed', 'FAILED: too few were hurt')
        if self.stopped * 2 < self.random:
            self.take('failed', 'FAILED: the target was stopped too seldom')
        print(f'{self.retries} late and tried again; {self.died} targets did '
              'not survive memtrack\'s own kill in their call for it '
              f'(memtrack(1)); {seconds:.0f} s')
        print(f'torture: {self.cases} cases, {self.failed} failed, target '
              f'stopped in {self.stopped} of the {self.random} random kills '
              f'of a consistent copy, seed {seed}')
        return bool(self.failed or not self.cases)
