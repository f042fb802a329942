# SPDX-License-Identifier: GPL-3.0-or-later
"""How each fault is made, and what the harness itself does wrong when told."""
import contextlib, ctypes, glob, os, re, signal, subprocess, time

from . import cases
from .cases import ROOT, SIGNALS, text_of

MARK = 'PAGEPIPE_TORTURE'  # in the environment of all that is ours
GROUPS = '/sys/fs/cgroup/memory'


# --- a stage under strace, or in a limit

def strace(run, *options):
    follow = ['-f'] if run.scene.follows(run.case) else []
    return ['strace', *follow, '-qq', '-o', run.log, '-e', 'raw=all', *options]


def command(run, name, words):
    case = run.case
    if name == run.traced:
        return strace(run) + words
    if run.plant == 'code' and name == list(run.scene.stages)[-1]:
        return ['sh', '-c', '"$0" "$@"; exit 42', *words]
    if name != case.stage:
        return words
    if case.call:
        what = 'signal' if case.fault in SIGNALS else 'error'
        inject = f'inject={case.call}:{what}={case.fault}:when={case.number}'
        return strace(run, '-e', 'trace=' + case.call, '-e', inject) + words
    if case.fault in ('nofile', 'space'):
        letter = {'nofile': 'n', 'space': 'v'}[case.fault]
        return ['sh', '-c', f'ulimit -{letter} "$0" && exec "$@"', case.at,
                *words]
    if case.fault == 'memory':
        return ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"',
                group_of(run), *words]
    return words


def carrier(case):
    if case.fault == 'cut':
        return ['head', '-c', case.at]
    return [f'{ROOT}/tests/torturekit/pieces.py', case.at]


def was_reached(run):
    case = run.case
    if case.after is not None:
        return run.hit is not None
    if case.call:
        from .run import calls_of
        return any(call == case.call and k >= case.number
                   for _, call, k in calls_of(run.log))
    return case.stage is not None


# --- what must be there before, and go behind

def group_of(run):
    return f'{GROUPS}/pagepipe-{os.path.basename(run.folder)}-{os.getpid()}'


@contextlib.contextmanager
def ready(run):
    fault = run.case.fault if run.case.stage and run.case.at else None
    if fault == 'memory':
        os.makedirs(group_of(run), exist_ok=True)
        with open(group_of(run) + "/memory.limit_in_bytes", "w") as file:
            file.write(str(run.case.number * 1024))
    if fault == 'full':
        mount(run.folder, run.case.number)
    try:
        yield
    finally:
        if fault == 'memory':
            remove_group(group_of(run))


def remove_group(path):
    until = time.monotonic() + 2
    while True:
        try:
            return os.rmdir(path)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


LIBC = ctypes.CDLL(None, use_errno=True)


def mount_privately():
    """So that no mount outlives us.  False: not allowed to mount."""
    private = 1 << 14 | 1 << 18  # MS_REC | MS_PRIVATE
    return LIBC.unshare(0x00020000) == 0 and \
        LIBC.mount(b'none', b'/', None, private, None) == 0


def mount(folder, size):
    os.makedirs(folder + '/full', exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}k', 'none',
                    folder + '/full'], check=True)


def unmount(folder):
    subprocess.run(['umount', folder + '/full'], check=True)


def impossible():
    """The faults that this user cannot make here."""
    if not mount_privately():
        yield 'full'
    if not os.access(GROUPS + '/cgroup.procs', os.W_OK):
        yield 'memory'


# --- processes

def send(group, number):
    """False: it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


def kill_group(group):
    send(group, signal.SIGKILL)


def marked(folder):
    """Processes of ours, wherever they went."""
    mark = f'{MARK}={folder}\0'.encode()
    for path in glob.glob('/proc/[0-9]*/environ'):
        with contextlib.suppress(OSError), open(path, 'rb') as file:
            if mark in file.read() + b'\0':
                yield int(path.split('/')[2])


def left(folder, patience):
    """Those that have not ended by then; they are killed."""
    until = time.monotonic() + patience
    while (pids := list(marked(folder))) and time.monotonic() < until:
        time.sleep(0.01)
    names = []
    for pid in pids:
        with contextlib.suppress(OSError):
            names.append(text_of(f'/proc/{pid}/comm').strip())
            os.kill(pid, signal.SIGKILL)
    return names


# --- what each check must find

def plant_process(run):
    subprocess.Popen(['sleep', '10'], start_new_session=True,
                     env=os.environ | {MARK: run.folder})


def plant_image(run):
    os.makedirs(run.folder + '/D', exist_ok=True)
    open(run.folder + '/D/inventory.img', 'w').close()


def plant_mask(run):
    """As a memtrack that dies between two steps."""
    seize, interrupt, detach, set_mask = 0x4206, 0x4207, 17, 0x420b
    pid = run.target.pids[1]
    LIBC.ptrace(seize, pid, None, None)
    LIBC.ptrace(interrupt, pid, None, None)
    os.waitpid(pid, 0x40000000)  # __WALL
    LIBC.ptrace(set_mask, pid, ctypes.c_long(8),
                ctypes.byref(ctypes.c_uint64(0x1000)))
    LIBC.ptrace(detach, pid, None, None)


def plant_memory(run):
    with open(f'/proc/{run.target.pids[0]}/mem', 'r+b', buffering=0) as file:
        file.seek(run.target.at + 16)
        file.write(b'wrong')


def plant_noise(run):
    with open(run.said_path, 'a') as file:
        file.write('Aborted\n')


PLANTS_BEFORE = {
    'stop': lambda run: run.target.process.send_signal(signal.SIGSTOP),
    'process': plant_process,
    'code': lambda run: None,  # see command()
}
PLANTS_BEHIND = {
    'image': plant_image,
    'temporary': lambda run: os.makedirs(run.folder + '/.D.abcdef'),
    'memory': plant_memory,
    'mask': plant_mask,
    'descriptor': lambda run: run.target.tell('o'),
    'mapping': lambda run: run.target.tell('u anon 3 1'),
    'noise': plant_noise,
}
PLANTS = (*PLANTS_BEFORE, *PLANTS_BEHIND)
