# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in each mode, what it needs before, and what must come of it."""
import contextlib, os, shutil, signal, subprocess, time

from . import cases, faults
from .cases import ROOT, STOPS, text_of


def tool(name):
    return f'{ROOT}/bin/{name}'


def quietly(*words, **options):
    return subprocess.run(words, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, **options).returncode


class Scene:
    """A mode, in one worker's folder."""
    name, stages = None, ()
    faults = cases.FAULTS
    slow = 1          # times ENDS
    spared = set()    # calls that can have no error
    holds = 0         # s; beyond what a stopped stage may
    leaves = 0        # s; how long a process may go on behind the end

    def __init__(self, folder):
        self.folder = folder
        self.image = folder + '/D'

    def prepare(self, target):
        """Before each run."""

    def follows(self, case):
        """strace -f: the same is done to each thread and child."""
        return True

    def leave(self):
        """Another mode comes, or another target."""

    def start(self, run):
        """Adds the first stages."""

    def step(self, run):
        """Each turn; True: more is to come."""
        return False

    def parts(self, run):
        """What the random kill may meet: name to pid."""
        return {name: run.stages[name].pid for name in run.alive()}

    def judge(self, run):
        """Beyond what is judged in each mode."""

    def wholes(self):
        """Directories that imgwrite makes."""
        return [self.image]

    def may_die(self, run):
        return False


class Pipeline(Scene):
    def __init__(self, folder, name='predump',
                 stages=('freeze', 'vmalist', 'memread', 'imgwrite')):
        super().__init__(folder)
        self.name, self.stages = name, stages

    def start(self, run):
        if run.case.fault == 'full' and run.case.at:
            self.image = self.folder + '/full/D'
        else:
            self.image = self.folder + '/D'
        run.line((name, self.command(run, name)) for name in self.stages)

    def command(self, run, name):
        case, command = run.case, [tool(name)]
        if name == 'freeze':  # --wait: its own 2 s would be too near to ENDS
            wait = '6s' if case.fault in cases.HARMLESS else '1s'
            command += ['--wait', wait, str(run.target.pids[0])]
            if self.name == 'consistent':
                command.append('--consistent')
            if case.fault in STOPS and case.stage != 'freeze':
                command += ['--stall', '1s', '--max-stop', '1s']
        if name == 'imgwrite':
            command.append(self.image)
        return command


class Tracker:
    """A memtrack that lives."""

    def __init__(self, folder, target):
        with open(folder + '/tracker', 'w') as errors:
            self.process = subprocess.Popen(
                [tool('memtrack'), '--track=uffd', str(target.pids[0])],
                stdout=subprocess.PIPE, stderr=errors)
        if not self.process.stdout.readline():
            raise RuntimeError('memtrack: ' + text_of(folder + '/tracker'))
        self.target = target

    def tracks(self, target):
        return self.target is target and self.process.poll() is None

    def end(self):
        self.process.terminate()
        self.process.communicate()


class Rounds(Pipeline):
    """A round on an earlier one, whose tracker lives."""
    tracker = None
    seed = 0

    def __init__(self, folder):
        super().__init__(folder, 'rounds')

    def prepare(self, target):
        if not self.tracker or not self.tracker.tracks(target):
            self.leave()
            self.tracker = Tracker(self.folder, target)
            shutil.rmtree(self.folder + '/1', ignore_errors=True)
            line = (f'{tool("freeze")} {target.pids[0]} | {tool("vmalist")} | '
                    f'{tool("memread")} | {tool("imgwrite")} {self.folder}/1')
            if quietly('sh', '-c', line):
                raise RuntimeError('no first round')
        for page in range(8):  # of 1024
            self.seed = (self.seed * 5 + 7 + page) % 1024
            target.tell(f'd anon {self.seed}')

    def leave(self):
        if self.tracker:
            self.tracker.end()
        self.tracker = None

    def command(self, run, name):
        command = super().command(run, name)
        if name == 'imgwrite':
            parent = '../../1' if '/full/' in self.image else '../1'
            command[1:1] = ['--parent', parent]
        if name == 'vmalist':
            command += ['--track=uffd', '--base', self.folder + '/1']
        return command

    def judge(self, run):
        """A round that is lost costs nothing: the next one is good."""
        if self.tracker.process.poll() is not None:
            return run.fault('memtrack has ended: ' +
                             text_of(self.folder + '/tracker'))


class Files(Pipeline):
    """From one directory to another; the target looks on."""

    def __init__(self, folder):
        super().__init__(folder, 'files', ('imgread', 'makelazy', 'imgwrite'))
        self.target = None

    def prepare(self, target):
        if self.target is not target:
            self.target = target
            shutil.rmtree(self.folder + '/from', ignore_errors=True)
            line = (f'{tool("freeze")} {target.pids[0]} | {tool("vmalist")} | '
                    f'{tool("memread")} | {tool("imgwrite")} {self.folder}/from')
            if quietly('sh', '-c', line):
                raise RuntimeError('no directory to read')

    def command(self, run, name):
        command = super().command(run, name)
        if name == 'imgread':
            command += ['--all', self.folder + '/from']
        return command


class Driver(Scene):
    """predump, with a pipeline of its own, once or in rounds."""
    stages = ('predump',)
    leaves = 1
    faults = tuple(f for f in cases.FAULTS
                   if f not in cases.CARRIERS and f not in cases.LIMITS)

    def follows(self, case):
        return False

    def __init__(self, folder, name='driver', options=(), slow=2):
        super().__init__(folder)
        self.name, self.options, self.slow = name, options, slow

    def start(self, run):
        run.add('predump', [tool('predump'), '-q', '-t', str(run.target.pids[0]),
                            '-D', self.image, *self.options])

    def parts(self, run):
        """Its children too."""
        parts = super().parts(run)
        with contextlib.suppress(OSError, KeyError):
            pid = parts['predump']
            for child in text_of(f'/proc/{pid}/task/{pid}/children').split():
                parts[text_of(f'/proc/{child}/comm').strip()] = int(child)
        return {n: p for n, p in parts.items() if n in cases.CODES}

    def wholes(self):
        if not self.options:
            return [self.image]
        with contextlib.suppress(OSError):
            return [f'{self.image}/{name}' for name in
                    sorted(os.listdir(self.image)) if name.isdigit()]
        return []


class Memtrack(Scene):
    """memtrack begins, serves two rounds and is told to stop."""
    name = 'memtrack'
    stages = ('memtrack',)
    holds = 0.3
    spared = {'ptrace'}  # a thread that we hold would keep our registers
    slow = 2
    faults = tuple(f for f in cases.FAULTS
                   if f not in cases.CARRIERS and f != 'full')

    def start(self, run):
        run.add('memtrack', [tool('memtrack'), '--track=uffd',
                             str(run.target.pids[0])], out='|')
        self.output, self.phase = run.source, 'begin'
        os.set_blocking(self.output.fileno(), False)

    def step(self, run):
        tracker = run.stages['memtrack']
        if self.phase == 'begin' and (self.output.read() or tracker.over):
            self.phase = 'round'
            if tracker.over:
                self.phase = 'over'
            else:
                self.round(run)
        elif self.phase == 'round' and set(run.alive()) <= {'memtrack'}:
            self.phase = 'stop'
            run.add('stop', [tool('memtrack'), '--stop',
                             str(run.target.pids[0])])
        elif self.phase == 'stop' and run.stages['stop'].over:
            if run.stages['stop'].returncode:  # it has not heard
                faults.send(run.group, signal.SIGTERM)
            self.phase = 'end'
        elif self.phase == 'end' and not run.alive():
            self.phase = 'over'
        if self.phase == 'over':
            self.output.close()
            return False
        return True

    def round(self, run):
        with open(os.devnull) as run.source:
            names = ('freeze', 'vmalist', 'memread', 'imgwrite')
            run.line((name, [tool(name)] + {
                'freeze': ['--wait', '1s', str(run.target.pids[0])],
                'imgwrite': [self.image]}.get(name, [])) for name in names)

    def may_die(self, run):
        """While a thread makes a call for us; memtrack(1)."""
        return run.case.fault in ('KILL', 'memory')


class Lazy(Scene):
    """lazyserve, and a process that uses what it gives."""
    name = 'lazyserve'
    stages = ('lazyserve',)
    slow = 2
    leaves = 1
    pages = '600'
    spared = {'write'}  # it says that it is ready
    faults = Memtrack.faults

    def follows(self, case):
        """Whoever kills it does not kill its guard with the same blow."""
        return case.fault not in cases.SIGNALS

    def prepare(self, target):
        path = self.folder + '/lazy'
        if not os.path.exists(path):
            subprocess.run([f'{ROOT}/build/tests/toucher', 'make', path,
                            self.pages], check=True)
        # one that a killed lazyserve has left, every other time
        if os.getrandom(1)[0] & 1:
            with contextlib.suppress(OSError):
                os.unlink(path + '/lazy-pages.socket')

    def start(self, run):
        run.add('lazyserve', [tool('lazyserve'), self.folder + '/lazy'])
        self.begun = False

    def step(self, run):
        server = run.stages['lazyserve']
        if not self.begun and 'ready: ' in text_of(run.said_path):
            self.begun = True
            action = ('order', 'random', 'threads', 'write')[run.target.counter % 4]
            self.said = open(self.folder + '/touched', 'w+')
            run.add('toucher', [f'{ROOT}/build/tests/toucher', action,
                                self.folder + '/lazy', self.pages],
                    out=self.said)
            return True
        return not self.begun and not server.over

    def judge(self, run):
        if self.begun:
            said = text_of(self.folder + '/touched')
            if 'wrong' in said:
                run.fault('a wrong page: ' + said)
            if run.codes['toucher'] == 0 and said != 'ok\n':
                run.fault('the toucher says nothing')


def all_of(folder):
    thaw = ('freeze', 'vmalist', 'thaw', 'memread', 'imgwrite')
    scenes = [
        Pipeline(folder), Pipeline(folder, 'thaw', thaw),
        Pipeline(folder, 'consistent'), Rounds(folder), Files(folder),
        Driver(folder),
        Driver(folder, 'driven', ('--rounds', '2', '--final'), 4),
        Memtrack(folder), Lazy(folder)]
    return {scene.name: scene for scene in scenes}


MODES = tuple(all_of('/nowhere'))
