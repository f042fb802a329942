# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind the copy a disk, a wire, a compressor: who is slower, we or what carries
our bytes; and whether the target waits for it.
"""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from statistics import median

import kit
from kit import Target, runs, section, sized
from report import GIB, MIB, aim, bound, mount_of, ratio, say_table

PORT = 17431

OURS = 'freeze {pid} | vmalist | thaw | memread'
ALONE = 'cat {stream}'

# name -> what comes behind either, and what is at the other end.
CARRIERS = {
    'ext4, fsync': ('dd of={disk}/stream bs=1M iflag=fullblock conv=fsync status=none', ''),
    'loopback TCP': (f'nc -N 127.0.0.1 {PORT}', f'nc -l 127.0.0.1 {PORT}'),
    'zstd -1': ('zstd -q -1 -c', ''),
    'lz4': ('lz4 -q -c', ''),
}


@contextlib.contextmanager
def disk():
    """A directory on an ext4: of the disk, or of a file on it."""
    with tempfile.TemporaryDirectory(prefix='bench.', dir=kit.OPTIONS.disk) as place:
        if mount_of(place)[1] == 'ext4':
            yield place
            return
        file, top = os.path.join(place, 'ext4'), os.path.join(place, 'top')
        os.mkdir(top)
        kit.output_of(['truncate', '-s', '8G', file])
        kit.output_of(['mkfs.ext4', '-q', file])
        kit.output_of(['mount', '-o', 'loop', file, top])
        try:
            yield top
        finally:
            kit.output_of(['umount', top])


def listening():
    with open('/proc/net/tcp') as file:
        return any(line.split()[1:4:2] == [f'0100007F:{PORT:04X}', '0A'] for line in file)


def carry(sender, receiver):
    """The Cost of both ends of a wire, until the receiver has all."""
    if not receiver:
        return kit.pipeline(sender)
    process = subprocess.Popen(['pipeline'] + receiver.split(), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        while not listening():
            if process.poll() is not None:
                raise kit.Failed(f'{receiver}: {process.stderr.read()}')
            time.sleep(0.001)
        began = time.monotonic()
        sent = kit.pipeline(sender)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    received = kit.cost_of(receiver, [line.split() for line in said.splitlines()], errors)
    return kit.Cost(time.monotonic() - began, sent.stages + received.stages)


def busiest(costs):
    """The stage that had a CPU for most of the time, and how busy all CPUs were."""
    shares = [(median([run.cpu / cost.wall for run, cost in zip(stage, costs)]), stage[0].name)
              for stage in zip(*[cost.stages for cost in costs])]
    share, name = max(shares)
    return f'{name} {100 * share:.0f} %', f'{100 * sum(s for s, _ in shares) / kit.PROCESSORS:.0f} %'


def carried_ways(target, stream, place):
    ways = {}
    for name, (near, far) in CARRIERS.items():
        for whose, text in ('ours', OURS), ('alone', ALONE):
            sender = f'{text} | {near}'.format(pid=target.pid, stream=stream, disk=place)
            ways[f'{name}, {whose}'] = lambda sender=sender, far=far: carry(sender, far)
    return ways


def whole_ways(target, place):
    """What comes of it is an image directory."""
    images = kit.scratch('received')
    near, far = CARRIERS['loopback TCP']

    def received():
        cost = carry(f'{OURS} | {near}'.format(pid=target.pid), f'{far} | imgwrite {images}')
        shutil.rmtree(images)
        return cost
    return {'a directory on ext4': lambda: kit.copy_whole(target.pid, into=place),
            'a directory behind TCP': received}


@section
def carried():
    size = sized(1 * GIB, 256 * MIB)
    with disk() as place, Target(f'victim anon={size}') as target:
        stream = kit.scratch('stream')
        kit.pipeline(OURS.format(pid=target.pid), output=stream)
        costs = kit.measure_in_turns({**carried_ways(target, stream, place),
                                      **whole_ways(target, place)}, runs(5, 2))
        os.unlink(stream)
    rows = []
    for name, samples in costs.items():
        wall = median([cost.wall for cost in samples])
        rows.append([name, f'{wall:.3f}', f'{size / wall / 1e9:.2f}', *busiest(samples)])
    say_table(f'carried: {size // MIB} MiB; alone is what `cat` of the same bytes comes to',
              ['', 's', 'GB/s', 'the busiest', 'all CPUs'], rows)
    for name in CARRIERS:
        aim(f'carried, {name}, rate, ours : alone',
            kit.ratio_of(costs, f'{name}, alone', f'{name}, ours'), least=0.9)


# ------------------------------------------------------------ who reads slowly

# name -> what is left of a reader that is slow, or is not
HELD_UP = {
    'pre-dump': 'freeze {pid} | vmalist | memread',
    'pre-dump with thaw': 'freeze {pid} | vmalist | thaw | memread',
    'predump': 'predump -q -t {pid} -o -',
    'final round': 'predump -q -t {pid} --final --spool 64M -o -',
}
READERS = {'at once': 'pv -q', 'at 1 MB/s': 'pv -q -L 1m'}


def read_by(reader, left, target):
    """Its stop, the largest gap, and that in as long a time without us, in ms;
    how long it took, in s."""
    stream = kit.scratch('stream')
    copy = f'{left.format(pid=target.pid)} | {reader}'
    cost, seen = target.stall(lambda: kit.pipeline(copy, output=stream))
    stop = kit.stopped_ms(stream)
    os.unlink(stream)
    _, quiet = target.stall(lambda: time.sleep(cost.wall))
    return stop, seen, quiet, cost.wall


def hold_up(left):
    """reader -> the medians of what read_by says."""
    taken = {reader: [] for reader in READERS}
    with Target('victim anon=4M spin', spins=True) as target:
        for _ in range(runs(9, 2)):
            for reader, command in READERS.items():
                taken[reader].append(read_by(command, left, target))
    return {reader: [median(values) for values in zip(*samples)] for reader, samples in taken.items()}


@section
def throttled():
    rows = []
    for name, left in HELD_UP.items():
        taken = hold_up(left)
        rows += [[f'{name}, read {reader}'] + [f'{value:.3f}' for value in values]
                 for reader, values in taken.items()]
        at_once, slowly = taken.values()
        bound(f'throttled, {name}, stop, read at 1 MB/s : at once', slowly[0] / at_once[0], 1.2)
        ratio(f'throttled, {name}, gap, read at 1 MB/s : without us', slowly[1] / slowly[2])
    say_table('throttled: 4 MiB with a thread that spins, and a reader at the end of the pipe',
              ['', 'stop ms', 'seen ms', 'quiet ms', 'took s'], rows)
