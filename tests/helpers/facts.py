# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a tracer might leave behind in a process, as a dictionary of facts;
of what is gone meanwhile there is none.

Not in it, as it changes by itself: memory in use, times, counts of switches.
"""
import contextlib, os, re

# Of /proc/PID/status and /proc/PID/task/TID/status: not compared.
CHANGES = re.compile('Vm|Rss|Huge|State|SigQ|Threads|.*ctxt_switches')

def text_of(path):
    with contextlib.suppress(OSError), open(path) as file:
        return file.read()

def tree_of(path):
    with contextlib.suppress(OSError):
        return sorted(os.listdir(path))
    return []

def facts_of_thread(pid, tid):
    facts = {}
    for line in (text_of(f'/proc/{pid}/task/{tid}/status') or '').splitlines():
        if not CHANGES.match(line):
            name, _, value = line.partition(':')
            facts[name] = value.strip()
    fields = (text_of(f'/proc/{pid}/task/{tid}/stat') or '').rpartition(')')[2]
    if fields := fields.split():
        facts['stopped'] = fields[0] in 'tT'
        facts['scheduling'] = (f'priority {fields[15]}, nice {fields[16]}, '
                               f'real-time {fields[37]}, policy {fields[38]}')
    with contextlib.suppress(OSError):  # with SCHED_RESET_ON_FORK
        facts['policy'] = os.sched_getscheduler(int(tid))
    # not below task/, but every thread has a directory of its own
    facts['timer slack'] = text_of(f'/proc/{tid}/timerslack_ns')
    facts['children'] = text_of(f'/proc/{pid}/task/{tid}/children')
    return {f'thread {tid}, {name}': fact for name, fact in facts.items()}

def facts_of_descriptors(pid):
    facts = {}
    for fd in tree_of(f'/proc/{pid}/fd'):
        with contextlib.suppress(OSError):
            flags = re.search('flags:.*', text_of(f'/proc/{pid}/fdinfo/{fd}')
                              or '')
            facts[f'descriptor {fd}'] = (os.readlink(f'/proc/{pid}/fd/{fd}')
                                         + (flags and ' ' + flags[0] or ''))
    return facts

def facts_of_mappings(pid, by_address):
    """Without addresses: how many there are of a kind."""
    facts, name = {}, None
    for line in (text_of(f'/proc/{pid}/smaps') or '').splitlines():
        if re.match('[0-9a-f]+-', line):
            address, *kind = line.split(None, 5)
            name = kind[0] + ' ' + ' '.join(kind[4:])
        elif line.startswith('VmFlags:'):
            if by_address:
                facts[f'mapping {address} {name}'] = line
            else:
                key = f'mappings {name} {line}'
                facts[key] = facts.get(key, 0) + 1
    return facts

def facts_of(pid, by_address):
    facts = facts_of_descriptors(pid) | facts_of_mappings(pid, by_address)
    for name in ('oom_score_adj', 'coredump_filter', 'personality', 'limits',
                 'timers', 'cgroup', 'comm'):
        facts[name] = text_of(f'/proc/{pid}/{name}')
    for tid in tree_of(f'/proc/{pid}/task'):
        facts |= facts_of_thread(pid, tid)
    return facts

def differences(before, after):
    """A line for each; of a thread that is new, or gone, the name alone."""
    for key in sorted(before.keys() | after.keys()):
        name = re.sub('^(thread .*), .*', r'\1, Name', key)
        alone = (name in before) != (name in after)
        old, new = before.get(key, 'nothing'), after.get(key, 'nothing')
        if old != new and (key == name or not alone):
            yield f'{key}: {old!r}, then {new!r}'
