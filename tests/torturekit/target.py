# SPDX-License-Identifier: GPL-3.0-or-later
"""A victim and its child, seen from outside."""
import contextlib, glob, mmap, os, re, struct, subprocess, tempfile, time

from . import cases
from .cases import ROOT, TURN, text_of

VICTIM = ('anon=4M', 'none=64K', 'zeros=64K', 'blocked=3', 'children=1')
PF_EXITING = 4
# What our work must leave as it was, of /proc/PID/task/TID/status.
KEPT = re.compile(r'^(?:SigBlk|SigIgn|SigCgt|NoNewPrivs|Seccomp\w*|Cap\w+|'
                  r'Cpus_allowed_list|Threads):.*', re.M)


def ends(pid):
    """It has ended, or is just ending; proc(5), flags."""
    with contextlib.suppress(OSError):
        with open(f'/proc/{pid}/stat') as file:
            stat = file.read().rpartition(')')[2].split()
        return stat[0] in 'ZX' or bool(int(stat[6]) & PF_EXITING)
    return True


class Target:
    def __init__(self, folder):
        path = tempfile.mktemp('.beat', dir=folder)
        self.process = subprocess.Popen(
            [ROOT + '/build/tests/victim', *VICTIM, 'shm=' + path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids = [self.process.pid]
        self.at = None  # its anon pages
        for line in self.process.stdout:
            if line.startswith('child '):
                self.pids.append(int(line.split()[1]))
            if line.startswith('anon '):
                self.at = int(line.split()[1], 16)
            if line.startswith('ready '):
                break
        with open(path, 'rb') as file:
            self.page = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
        self.counter, self.moved = 0, time.monotonic()
        self.before, now = None, self.facts()
        while now != self.before or any(  # a thread that begins blocks all
                'SigBlk:\tf' in text for of in now.values() for text in of):
            time.sleep(0.01)
            self.before, now = now, self.facts()

    def end(self):
        self.process.kill()  # its child goes with it
        self.process.communicate()

    def is_gone(self):
        """It or its child."""
        return any(map(ends, self.pids))

    def threads(self):
        """(state, tracer) of each."""
        for pid in self.pids:
            for path in glob.glob(f'/proc/{pid}/task/*/status'):
                with contextlib.suppress(OSError):  # it has just ended
                    yield re.search(r'State:\t(.).*TracerPid:\t(\d+)',
                                    text_of(path), re.S).groups()

    def held(self):
        return any(s in 'tT' or tracer != '0' for s, tracer in self.threads())

    def look(self):
        counter = struct.unpack_from('=Q', self.page)[0]
        if counter != self.counter and not self.held():
            self.moved = time.monotonic()
        self.counter = counter

    def runs(self):
        """Within 50 ms; longer where it only waits for a CPU."""
        begin, late = time.monotonic(), 0
        while self.moved <= begin and \
                late < (cases.RUNS_ON if self.held() else 10 * cases.RUNS_ON):
            self.look()
            time.sleep(TURN / 4)
            late = time.monotonic() - begin
        return self.moved > begin

    def tell(self, command):
        """Its answer; '': it has ended."""
        with contextlib.suppress(BrokenPipeError):
            print(command, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def check(self):
        return self.tell('c')

    def facts(self):
        """Descriptors, mappings, signals, filters and scheduling."""
        facts = {}
        for pid in self.pids:
            folder = f'/proc/{pid}/fd/'
            facts[pid, 'descriptor'] = {
                (fd, os.readlink(folder + fd)) for fd in os.listdir(folder)}
            facts[pid, 'mapping'] = {
                tuple(line.split()) for line in
                text_of(f'/proc/{pid}/maps').splitlines()}
            for tid in os.listdir(f'/proc/{pid}/task'):
                status = text_of(f'/proc/{pid}/task/{tid}/status')
                facts[pid, 'thread ' + tid] = {
                    *KEPT.findall(status),
                    f'scheduled {os.sched_getscheduler(int(tid))}'}
        return facts

    def changes(self):
        """Texts: what is not as it was."""
        now = self.facts()
        for pid, what in sorted({*self.before, *now}):
            was, is_now = self.before.get((pid, what), set()), \
                now.get((pid, what), set())
            if was != is_now:
                yield (f'{what} of {pid}: gone {sorted(was - is_now)}, '
                       f'new {sorted(is_now - was)}')
