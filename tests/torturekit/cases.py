# SPDX-License-Identifier: GPL-3.0-or-later
"""A case: what is done to whom, and which exit codes may come of it."""
import dataclasses, os, signal, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
RUNS_ON = 0.05  # s; the target, after anything
KEEPS = 0.05    # s; the same, while a keeper lives that was told to end
UNHELD = 1.2    # s; the same, where a stage is stopped
SLACK = 0       # s; beyond that
ENDS = 2.0      # s; every other stage
TURN = 0.002    # s; between two looks

STOPS = ('STOP', 'TSTP')
SIGNALS = ('KILL', 'TERM', *STOPS)

DESCRIPTOR = {
    'openat', 'socket', 'socketpair', 'pipe', 'pipe2', 'accept4',
    'epoll_create1', 'pidfd_open', 'pidfd_getfd', 'memfd_create', 'signalfd4',
    'timerfd_create', 'eventfd2', 'userfaultfd'}
TRANSFER = {
    'read', 'write', 'pread64', 'pwrite64', 'readv', 'writev', 'preadv',
    'pwritev', 'preadv2', 'pwritev2', 'splice', 'copy_file_range'}
NAMES = {
    'mkdir', 'mkdirat', 'symlink', 'symlinkat', 'link', 'linkat', 'rename',
    'renameat', 'renameat2'}
LASTING = {'fsync', 'fdatasync', 'syncfs', 'ftruncate', 'fallocate'}
WAITING = {
    'wait4', 'waitid', 'poll', 'ppoll', 'epoll_wait', 'epoll_pwait',
    'epoll_pwait2', 'select', 'pselect6', 'nanosleep', 'clock_nanosleep',
    'accept4', 'connect', 'recvmsg', 'recvfrom', 'sendmsg', 'sendto', 'flock'}
MEMORY = {  # not brk, which returns no error but the old end
    'mmap', 'mremap', 'mprotect', 'clone', 'clone3', 'fork', 'vfork',
    'madvise', 'timer_create', 'epoll_ctl', 'getdents64', 'newfstatat',
    'readlink', 'readlinkat', 'mlock', 'mlock2', 'mlockall', 'ioctl'}
# Which error a call may have, by its man page.
ERRORS = {
    'EINTR': TRANSFER | WAITING | {'openat', 'fsync', 'close', 'ioctl'},
    'EIO': TRANSFER | NAMES | LASTING | {
        'openat', 'close', 'unlink', 'unlinkat', 'rmdir', 'newfstatat',
        'getdents64', 'readlink', 'readlinkat', 'ptrace', 'ioctl', 'fchmod'},
    'ENOSPC': NAMES | LASTING | {'write', 'pwrite64', 'writev', 'pwritev',
                                 'openat', 'close'},
    'ENOMEM': MEMORY | DESCRIPTOR | {'read', 'process_vm_readv', 'sendmsg'},
    'EMFILE': DESCRIPTOR | {'dup', 'dup3'},
    'ENFILE': DESCRIPTOR,
    'EAGAIN': {'read', 'write', 'clone', 'clone3', 'fork', 'sendmsg',
               'recvmsg', 'connect', 'timer_create', 'accept4'},
}
# Nothing can be whole where one of these has failed.
MUST_FAIL = LASTING | NAMES

# Their place is a number: descriptors, KiB of memory or of a disk, bytes.
LIMITS = ('nofile', 'space', 'memory', 'full')
CARRIERS = ('cut', 'pieces', 'nonblock')
FAULTS = (*SIGNALS, *ERRORS, *LIMITS, *CARRIERS, 'pauses')
HARMLESS = ('pieces', 'nonblock', 'pauses', 'EINTR')

CODES = {
    'freeze': {0, 1, 3}, 'vmalist': {0, 1, 2, 3}, 'thaw': {0, 1, 2, 3},
    'memread': {0, 1, 2, 3}, 'imgwrite': {0, 1, 2},
    'imgread': {0, 2, 3}, 'makelazy': {0, 2, 3},
    'predump': {0, 1, 2, 3, 111}, 'memtrack': {0, 1},
    'lazyserve': {0, 1, 2},
    # killed by the guard; 1: nobody to connect to.  Never 3: a wrong page
    'toucher': {0, 1, -signal.SIGKILL, -signal.SIGPIPE},
    'stop': {0, 1, 111},  # memtrack --stop
    'pv': {0, -signal.SIGPIPE}, 'carrier': {0, -signal.SIGPIPE},
}
FAMILIES = ('memtrack', 'lazyserve')  # a child may be what is killed
LOADER = 127  # ld.so, which has said so


@dataclasses.dataclass(frozen=True)
class Case:
    mode: str
    stage: str = None    # None: nobody, or whoever the random kill meets
    fault: str = 'KILL'
    at: str = None       # CALL:K, or a number
    after: float = None  # seconds: a signal at that moment

    def __str__(self):
        where = f'--at {self.at}' if self.at else f'--after {self.after}'
        return (f'--mode {self.mode} --stage {self.stage} '
                f'--fault {self.fault} {where}')

    @property
    def call(self):
        return self.at.split(':')[0] if self.at and ':' in self.at else None

    @property
    def number(self):
        return int(self.at.split(':')[-1])

    @property
    def signal(self):
        return getattr(signal, 'SIG' + self.fault, None) \
            if self.fault in SIGNALS else None

    def codes(self, name, stopped):
        """Those with which name may end, once the fault was there."""
        if self.stage is None or self.fault in HARMLESS and not self.call:
            return {0}
        if name != self.stage:
            # vmalist and memread ask a memtrack that is hurt; predump ends as
            # the stage that is to blame, and without memtrack --base is wrong
            more = {'predump': {100}}.get(name, {111})
            return CODES[name] | (more if self.stage == 'memtrack' else set())
        if self.fault in ERRORS:
            return CODES[name] | {111}
        if self.fault in LIMITS:
            killed = {-signal.SIGKILL} if self.fault == 'memory' else set()
            return CODES[name] | {111, LOADER} | killed
        if self.fault in CARRIERS:
            return CODES[name]
        if self.fault == 'KILL' and self.at and name not in FAMILIES:
            return {-signal.SIGKILL}
        by_timer = {-signal.SIGKILL} if stopped else set()
        helpless = {111} if name in FAMILIES else set()
        return CODES[name] | by_timer | helpless | {-self.signal}


def text_of(path):
    with open(path, errors='replace') as file:
        return file.read()


def patient():
    """For any machine, beside anything: is it so at all?"""
    global RUNS_ON, KEEPS, SLACK, ENDS
    RUNS_ON, KEEPS, SLACK, ENDS = 6 * RUNS_ON, UNHELD, UNHELD, 4 * ENDS
