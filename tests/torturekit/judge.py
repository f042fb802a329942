# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of each run when it is over."""
import glob, os, re, shutil, signal, subprocess

from . import cases, faults
from .cases import CODES, HARMLESS, LOADER, MUST_FAIL, ROOT, UNHELD, Case
from .run import Run

OURS = re.compile(r'(%s|stop|strace|head|sh): ' % '|'.join(CODES))


def judged(scene, target, case, plant=None, traced=None):
    """The run, with its faults; run.died: the target has, as it may."""
    scene.prepare(target)
    run = Run(scene, target, case, plant, traced)
    run.died = False
    names = faults.left(run.folder, 0 if run.hung else
                        max(scene.leaves, cases.RUNS_ON))
    if names and not run.hung:
        run.fault('a process was left: ' + ' '.join(names), late=True)
    run.do_wrong('end')
    judge_target(run)
    judge_words(run)
    for name in run.hung:
        run.fault(f'{name} did not end in time', late=True)
    if not run.hung:
        judge_codes(run)
        judge_images(run)
        scene.judge(run)
    clean(run)
    return run


def judge_target(run):
    target = run.target
    runs = target.runs()
    answer = target.check() if runs else None
    changes = list(target.changes()) if answer else []
    if target.is_gone() or answer == '':
        run.died = run.reached and run.scene.may_die(run)
        return run.died or run.fault('the target was killed')
    # one that has our registers is held until we go on; memtrack(1)
    held = UNHELD + cases.SLACK + run.scene.holds
    lives = cases.KEEPS if run.keeper_lives else cases.RUNS_ON
    if run.stall > (held if run.stop else lives):
        run.fault(f'the target stood still for {run.stall * 1e3:.0f} ms',
                  late=True)
    if not runs:
        return run.fault('the target does not run: '
                         f'{set(target.threads())}', late=True)
    if not answer.startswith('ok '):
        run.fault(f'the target says: {answer}')
    for change in changes:
        run.fault('the target is not as it was: ' + change)


def loader_failed(run):
    return any(f'{run.case.stage}: error while loading' in line or
               line.startswith(f'{ROOT}/bin/') for line in run.said)


def judge_words(run):
    """Lines of our tools, and not of a library that gives up."""
    for line in run.said:
        if not OURS.match(line) and not line.startswith(ROOT):
            run.fault('this was said: ' + line)


def judge_codes(run):
    case = run.case
    for name, code in run.codes.items():
        allowed = case.codes(name, run.stop) if run.reached else {0}
        if code == LOADER and not loader_failed(run):
            allowed -= {LOADER}
        if code not in allowed:
            starved = name == 'freeze' and code == -signal.SIGKILL
            run.fault(f'{name} ended with {code}', late=not run.reached or
                      case.fault in HARMLESS or starved)
    code = run.codes.get(case.stage)
    quiet = not any(f'{case.stage}: ' in line for line in run.said)
    if code in (1, 2, 111) and quiet and case.call != 'write' and \
            case.fault != 'memory':
        run.fault(f'{case.stage} ended with {code} and said nothing')
    if run.reached and case.stage == 'imgwrite' and code == 0 and \
            case.call in MUST_FAIL and case.fault in ('EIO', 'ENOSPC'):
        run.fault(f'{case.call} failed, and imgwrite ended with 0')


def judge_images(run):
    scene, code = run.scene, run.codes.get('imgwrite')
    others = [c for n, c in run.codes.items() if n != 'imgwrite']
    whole = scene.wholes()
    if code is not None:
        committed = os.path.lexists(scene.image)
        # one that is hurt behind its commit has done its work
        done = run.case.stage == 'imgwrite' and not any(others)
        if code == 0 and not committed:
            run.fault('imgwrite ended with 0, and there is no image')
        if code != 0 and committed and not done:
            run.fault('an image was left')
    elif run.codes.get('predump') == 0 and not (
            whole and all(map(os.path.exists, whole))):
        run.fault('predump ended with 0, and there is no image')
    for path in whole:
        if os.path.lexists(path) and not is_whole(run, path):
            run.fault(f'{path} is not whole')
    judge_temporary(run)


def temporaries(scene):
    return glob.glob(os.path.dirname(scene.image) + '/.D*') + \
        glob.glob(scene.image + '/.*.*')


def judge_temporary(run):
    scene, case = run.scene, run.case
    if not temporaries(scene):
        return
    shutil.rmtree(scene.image, ignore_errors=True)
    killed = run.codes.get('imgwrite', -9) == -signal.SIGKILL
    if not (case.stage == 'imgwrite' and killed):
        return run.fault('a temporary directory was left')
    if case.fault != 'full':
        again = judged(scene, run.target, Case(case.mode))
        for fault in again.faults:
            run.fault('in the next run: ' + fault, again.only_late)


def clean(run):
    for path in temporaries(run.scene) + [run.scene.image]:
        shutil.rmtree(path, ignore_errors=True)
    if os.path.ismount(run.folder + '/full'):
        faults.unmount(run.folder)


def is_whole(run, path):
    reader = subprocess.run([f'{ROOT}/bin/imgread', path],
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    names = {'inventory.img', 'pagepipe.head', 'stats-dump'}
    for number, pid in enumerate(run.target.pids, 1):
        names |= {f'pagemap-{pid}.img', f'pages-{number}.img'}
    held = {entry.name for entry in os.scandir(path)}
    return reader.returncode == 0 and names <= held
