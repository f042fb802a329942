#!/bin/bash
# reuse.bash: in a pid namespace of its own, lists a process, ends it, and gives
# its pid to another one, which is then read by what was listed.  Writes stream,
# `before` and `after` (its pid), errors.
set -u
mount -t proc proc /proc
sleep 1000 >/dev/null &
pid=$!
freeze "$pid" 2>>errors | vmalist 2>>errors | thaw >listing 2>>errors
freeze "$pid" 2>>errors | vmalist 2>>errors | tee unreleased | thaw >/dev/null 2>>errors
grep ^Name "/proc/$pid/status" >before
kill -KILL "$pid"
wait "$pid" 2>/dev/null
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid || exit 77
tail -f /dev/null &
[ "$!" = "$pid" ] || exit 77
until grep -q tail "/proc/$pid/status"; do sleep 0.01; done
grep ^Name "/proc/$pid/status" >after
memread <listing >stream 2>>errors
echo $? >code
memread <unreleased >stream2 2>>errors
echo $? >code2
# (twin) what is listed now is read
freeze "$pid" 2>>errors | vmalist 2>>errors | memread 2>>errors >twin
echo $? >code3
kill -KILL "$pid"
