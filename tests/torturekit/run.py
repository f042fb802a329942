# SPDX-License-Identifier: GPL-3.0-or-later
"""One case: its processes, in which one is hurt, until all have ended."""
import contextlib, dataclasses, fcntl, os, random, re, signal, subprocess, time

from collections import Counter

from . import cases, faults
from .cases import RUNS_ON, STOPS, TURN, UNHELD, text_of


class Run:
    """What a scene has started, and what was wrong then.  The scene starts
    (run.add), goes on (its step), and judges what is its own."""

    def __init__(self, scene, target, case, plant=None, traced=None):
        self.scene, self.target, self.case = scene, target, case
        self.folder, self.plant, self.traced = scene.folder, plant, traced
        self.log, self.said_path = self.folder + '/log', self.folder + '/said'
        self.faults, self.only_late = [], True
        self.hit = None          # by the random kill: was the target stopped?
        self.stop = None         # when a stage was seen to be stopped
        self.goes_on_at = None   # and when it is sent on
        self.stall, self.hung = 0, ()
        self.stages, self.group, self.source = {}, 0, None
        for path in self.log, self.said_path:
            open(path, 'w').close()
        self.when = time.monotonic() + (case.after or 0)  # the kill
        self.deadline = self.when + cases.ENDS * scene.slow
        # from when on the target must run: from the end of the stage on, but
        # a keeper that lives is never to hold it long, where it is a pre-dump
        self.keeper_lives = case.stage == 'freeze' and scene.name != 'consistent' \
            and case.signal not in (None, signal.SIGKILL)
        self.since = self.when if self.keeper_lives else None
        with faults.ready(self):
            scene.start(self)
            self.do_wrong('begin')
            self.watch()
        self.reached = faults.was_reached(self)
        self.codes = {n: p.returncode for n, p in self.stages.items()}

    def __str__(self):
        codes = ' '.join(f'{name} {code}' for name, code in self.codes.items())
        return f'{self.case}: {"; ".join(self.faults)}; they ended {codes}'

    @property
    def said(self):
        return text_of(self.said_path).splitlines()

    def fault(self, text, late=False):
        self.faults.append(text)
        self.only_late &= late

    # --- what a scene starts

    def add(self, name, command, source=None, out=None):
        """A stage; source: a descriptor, '|' for the output of the one before."""
        piped = self.source if source == '|' else None
        said = open(self.said_path, 'a')
        null = open(os.devnull)
        start = lambda group: subprocess.Popen(
            faults.command(self, name, command), stdin=piped or null,
            stdout=subprocess.PIPE if out == '|' else out or said, stderr=said,
            process_group=group, env=os.environ | {faults.MARK: self.folder})
        try:
            process = start(self.group)
        except PermissionError:  # setpgid(2): nobody is left in that group
            self.group = 0
            process = start(0)
        for file in piped, said, null:
            if file:
                file.close()
        self.source = process.stdout
        if self.source and self.case.fault == 'nonblock' and self.case.stage:
            fcntl.fcntl(self.source, fcntl.F_SETFL, os.O_NONBLOCK)
        self.group = self.group or process.pid
        process.over = None
        self.stages[name] = process
        return process

    def line(self, commands):
        """[(name, command)...], with what carries the bytes between them."""
        commands, case = list(commands), self.case
        names = [name for name, _ in commands]
        if case.after is not None:
            commands.insert(-1, ('pv', ['pv', '-q', '-L', '2m']))  # 1.8 s
        if case.fault in ('cut', 'pieces') and case.stage in names[1:]:
            carrier = faults.carrier(case)
            commands.insert(names.index(case.stage), ('carrier', carrier))
        for i, (name, command) in enumerate(commands):
            last = i == len(commands) - 1
            self.add(name, command, '|' if i else None, None if last else '|')

    # --- while they run

    def alive(self):
        return [n for n, process in self.stages.items() if not process.over]

    def do_wrong(self, when):
        if self.plant and when == 'begin':
            faults.PLANTS_BEFORE.get(self.plant, lambda run: None)(self)
        if self.plant and when == 'end':
            faults.PLANTS_BEHIND.get(self.plant, lambda run: None)(self)

    def watch(self):
        more = True
        while self.alive() or more:
            for process in self.stages.values():
                if not process.over and process.poll() is not None:
                    process.over = time.monotonic()
            more = self.scene.step(self)
            if self.case.after is not None:
                self.kill_at_random()
            elif self.case.fault in STOPS:
                self.mind_a_stopped_stage()
            elif self.case.fault == 'pauses':
                self.pause()
            self.since = self.since or self.ended()
            self.target.look()
            now = time.monotonic()
            if self.since is not None:
                moved = max(self.since, self.target.moved)
                self.stall = max(self.stall, now - moved)
            if now > self.deadline:
                self.hung = self.alive()
                faults.kill_group(self.group)
                return [process.wait() for process in self.stages.values()]
            time.sleep(TURN)

    def ended(self):
        """When the hurt stage has.  pv notes the end of imgwrite only when it
        writes."""
        name, stage = self.case.stage, self.stages.get(self.case.stage)
        if name == 'freeze' or stage and self.case.signal and \
                stage.returncode == -self.case.signal:
            return stage and (name == 'imgwrite' and self.stages.get('pv') or
                              stage).over

    def kill_at_random(self):
        if self.hit is not None or time.monotonic() < self.when:
            return
        parts = self.scene.parts(self)
        stage = self.case.stage or random.choice(sorted(parts) or [None])
        self.case = dataclasses.replace(self.case, stage=stage)
        if stage in parts:
            self.hit = all(s == 't' for s, _ in self.target.threads())
            with contextlib.suppress(ProcessLookupError):
                os.kill(parts[stage], self.case.signal)

    def pause(self):
        if self.case.stage in self.alive():
            process = self.stages[self.case.stage]
            process.send_signal(signal.SIGSTOP)
            time.sleep(TURN / 4)
            process.send_signal(signal.SIGCONT)

    def mind_a_stopped_stage(self):
        """A keeper that holds the target must die now, by its timer; any
        other stage is sent on once the target must be free."""
        if self.stop is None:
            if '--- stopped by' not in text_of(self.log):
                return
            self.stop = self.since = time.monotonic()
            self.deadline = self.stop + UNHELD + cases.ENDS * self.scene.slow
            held = self.target.held()
            if not held or self.case.stage != 'freeze':
                self.goes_on_at = self.stop + (UNHELD if held else 2 * RUNS_ON)
        elif self.goes_on_at and time.monotonic() > self.goes_on_at:
            faults.send(self.group, signal.SIGCONT)
            self.goes_on_at += UNHELD  # each of its processes is stopped once


def calls_of(log):
    """[(who, call, K)...]: strace counts those of each thread by itself."""
    counts = Counter()
    for who_and_call in re.findall(r'^(\d* *)(\w+)\(', text_of(log), re.M):
        counts[who_and_call] += 1
        yield *who_and_call, counts[who_and_call]
