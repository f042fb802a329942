#!/usr/bin/env bats
# Real programs, as Debian has them: ten copies in a row in both modes, then
# some of the program standing still, which must be its memory.  It must not
# notice.  Each oracle has a twin, something that it must not pass.
#
# Every program here but redis ends when there is a file "stop", and says so.

load helpers/lib
export BATS_TEST_TIMEOUT=150 # of which a quiet machine needs ten

setup() { lib_setup; }
teardown() { lib_teardown; }

# begin COMMAND...: starts a program; $PROGRAM is its pid, $T/out its output.
begin() {
	"$@" >out 2>out.errors 3>&- &
	PROGRAM=$!
	VICTIMS+=("$PROGRAM")
}

# What a shell is told to run, until "stop", or $LIMIT times.
going_on='[ ! -e stop ] && [ "$n" -lt "${LIMIT:-1000000000}" ]'

# The program ends by itself, and is content.
end() {
	touch stop
	wait "$PROGRAM"
	grep -q '^end' out
	[ ! -s out.errors ]
}

# copy [--consistent] PID: every stage must be content.
copy() {
	stages "freeze $*" vmalist memread 'imgwrite --force image'
	[ "$STATUS" = '0 0 0 0' ] && return
	echo "freeze $* | ...: $STATUS"
	cat errors
	return 1
}

ten_copies() {
	local i
	for i in {1..10}; do
		copy "$@"
	done
}

# Stops a process and its descendants.  $HALTED are those that stand still.
halt() {
	HALTED=()
	halt_tree "$1"
	[ "${HALTED[0]}" = "$1" ]
}

# The parent first, so that nothing is born; a child may have ended before.
halt_tree() {
	local pid
	VICTIMS+=("$1")
	kill -STOP "$1" 2>/dev/null || return 0
	wait_for 10 halted_or_gone "$1"
	[ "$(state_of "$1")" != T ] || HALTED+=("$1")
	for pid in $(pgrep -P "$1"); do
		halt_tree "$pid"
	done
}

halted_or_gone() { [[ $(state_of "$1") == [TZ] || ! -e /proc/$1 ]]; }

# copies_are_memory NUMBER PID: copies of a program that stands still are its
# memory.  One byte that is changed afterwards is found.
copies_are_memory() {
	local i pid
	for ((i = 0; i < $1; i++)); do
		halt "$2"
		copy --consistent "$2"
		for pid in "${HALTED[@]}"; do
			imgcmp "$pid" image
			stands_still "$pid"
		done
		kill -CONT "${HALTED[@]}"
		sleep 0.05
	done
	halt "$2"
	copy --consistent "$2"
	change_is_found "$2" image 1
	kill -CONT "${HALTED[@]}"
}

# A program prints "NUMBER MILLISECONDS" for each tick, and at last "end NUMBER".

# none_missing FILE: its numbers are 1, 2, 3 to the last.
none_missing() {
	awk '$1 == "end" { ended = $2 == last; exit }
	     $1 != last + 1 { print "missing before: " $0; exit }
	     { last = $1 }
	     END { exit !ended }' "$1"
}

now_ms() { date +%s%3N; }

# largest_gap FROM TO: between two ticks of $T/out, in milliseconds.
largest_gap() {
	awk -v from="$1" -v to="$2" '
	$2 > to && last > to { exit }
	$2 > from && last && $2 - last > gap { gap = $2 - last }
	{ last = $2 }
	END { print gap + 0 }' out
}

# gap_of COMMAND...: the largest gap while it runs: $GAP.
gap_of() {
	local from
	from=$(now_ms)
	"$@"
	sleep 0.1
	GAP=$(largest_gap "$from" "$(now_ms)")
	echo "largest gap $GAP ms: $*"
}

really_stopped() {
	kill -STOP "$PROGRAM"
	sleep "0.$(printf %03d "$1")"
	kill -CONT "$PROGRAM"
}

# On a busy machine the copying takes time from the program, too: the same is
# done to another process, for comparison.  $ALLOWED is what that gives and
# 20 ms, but at least 50 ms; not more in one of five tries.
no_gap_in_ten_copies() {
	local try
	victim anon=64M
	ALLOWED=50
	for try in 1 2 3 4 5; do
		gap_of ten_copies "$VICTIM"
		[ "$((GAP + 20))" -le "$ALLOWED" ] || ALLOWED=$((GAP + 20))
		gap_of ten_copies "$PROGRAM"
		[ "$GAP" -gt "$ALLOWED" ] || return 0
		echo "try $try: more than $ALLOWED ms"
	done
	return 1
}

# For a program that ticks, and is started already.
ticks_go_on() {
	wait_for 20 grep -q '^500 ' out
	no_gap_in_ten_copies
	ten_copies --consistent "$PROGRAM"
	copies_are_memory 3 "$PROGRAM"

	gap_of really_stopped 80
	[ "$GAP" -ge 80 ]
	gap_of really_stopped "$((ALLOWED + 30))"
	[ "$GAP" -gt "$ALLOWED" ]

	end
	none_missing out
	sed 100d out >hole
	not none_missing hole
	sed "$(($(wc -l <out) - 1))d" out >short
	not none_missing short
}

ask() { redis-cli -s redis.sock "$@"; }
redis_errors() { ask info stats | grep -E '^(total_error_replies|rejected_connections):'; }

redis_load() {
	until [ -e stop ]; do
		redis-benchmark -s redis.sock -q -t set,get -n 20000 -r "$1" -d 500 || exit 1
	done
}

begin_redis() {
	begin redis-server --port 0 --unixsocket redis.sock --save '' \
		--enable-debug-command local
	wait_for 10 eval '[ "$(ask ping)" = PONG ]'
	ask debug populate "$@"
	redis_errors >before
}

# begin_load KEYS: until there is a file "stop".
begin_load() {
	redis_load "$1" >load.out 2>&1 3>&- &
	LOAD=$!
	VICTIMS+=("$LOAD")
}

end_load() {
	kill -0 "$LOAD"
	touch stop
	wait "$LOAD"
}

# Redis has counted no error, as it does where there is one.
no_redis_errors() {
	redis_errors | diff before -
	ask no such command
	redis_errors >after
	not diff before after
}

@test "programs: redis with 200 MB answers a benchmark while it is copied" {
	begin_redis 200000 key 1000
	[ "$(awk '/^RssAnon/ { print $2 }' "/proc/$PROGRAM/status")" -ge 200000 ]
	begin_load 200000

	ten_copies "$PROGRAM"
	ten_copies --consistent "$PROGRAM"
	end_load
	copies_are_memory 1 "$PROGRAM"

	[ "$(ask dbsize)" -ge 200000 ]
	no_redis_errors
}

# round N [--consistent]: on top of N - 1.
round() {
	stages "freeze $2 $PROGRAM" vmalist memread "imgwrite ${PARENT:+--parent ../$PARENT} $1"
	[ "$STATUS" = '0 0 0 0' ] || { cat errors; return 1; }
	PARENT=$1
}

flatten() { imgread --flatten "$1" | imgwrite --force flat; }

@test "programs: redis answers a benchmark through 20 rounds of a chain" {
	local i
	begin_redis 20000 key 1000
	memtrack --daemon --track=uffd "$PROGRAM"
	begin_load 20000

	PARENT=
	for i in {1..20}; do
		round "$i" ''
	done
	end_load
	halt "$PROGRAM"
	round 21 --consistent
	[ "$(cat 21/pages-*.img | wc -c)" -lt "$(cat 1/pages-*.img | wc -c)" ]
	flatten 21
	imgcmp "$PROGRAM" flat
	change_is_found "$PROGRAM" flat 1
	kill -CONT "${HALTED[@]}"

	memtrack --stop "$PROGRAM"
	[ "$(ask dbsize)" -ge 20000 ]
	no_redis_errors
}

@test "programs: python's lists come out as they do undisturbed" {
	cat >lists.py <<-'END'
	import os, sys
	limit = int(os.environ.get("LIMIT", 10**9))
	lists = [[i * j for j in range(1000)] for i in range(200)]
	n = 0
	while n < limit and not os.path.exists("stop"):
	    n += 1
	    one = n * 7919 % len(lists)
	    other = n * 104729 % len(lists)
	    lists[one] = sorted(x * n % 1000003 for x in lists[other])
	    lists[one].insert(n % 900, lists[other].pop(n % 900))
	    lists[other].append(n)
	    print(n, hash(tuple(lists[one])), flush=True)
	print("end", n)
	END
	begin /usr/bin/python3 lists.py
	wait_for 10 grep -q '^100 ' out
	ten_copies "$PROGRAM"
	ten_copies --consistent "$PROGRAM"
	copies_are_memory 10 "$PROGRAM"
	end

	rm stop
	LIMIT=$(sed -n 's/^end //p' out) /usr/bin/python3 lists.py | cmp - out
	LIMIT=100 /usr/bin/python3 lists.py >other
	not cmp other out
}

@test "programs: node ticks on while it is copied" {
	cat >ticks.js <<-'END'
	const fs = require("fs");
	const garbage = [];
	let n = 0;
	const timer = setInterval(() => {
		console.log(++n, Date.now());
		garbage[n % 500] = "tick".repeat(n % 1000).split("k");
		if (!fs.existsSync("stop"))
			return;
		clearInterval(timer);
		console.log("end", n);
	}, 1);
	END
	begin node ticks.js
	ticks_go_on
}

@test "programs: a JVM ticks on while it is copied" {
	cat >Ticks.java <<-'END'
	public class Ticks {
		public static void main(String[] arguments) throws Exception {
			var stop = new java.io.File("stop");
			var garbage = new Object[500];
			int n = 0;
			while (!stop.exists()) {
				System.out.println(++n + " " + System.currentTimeMillis());
				garbage[n % 500] = "tick".repeat(n % 1000).split("k");
				Thread.sleep(1);
			}
			System.out.println("end " + n);
		}
	}
	END
	begin java -Xmx64m Ticks.java
	ticks_go_on
}

@test "programs: a shell's children come and go while it is copied" {
	local script='
		n=0
		while '$going_on'; do
			(sleep 0.01; exit $((n % 5)))
			echo $((n += 1)) $?
		done
		echo end $n'
	begin bash -c "$script"
	wait_for 10 grep -q '^10 ' out
	ten_copies "$PROGRAM"
	ten_copies --consistent "$PROGRAM"
	copies_are_memory 10 "$PROGRAM"
	end

	rm stop
	LIMIT=$(sed -n 's/^end //p' out) bash -c "$script" | cmp - out
	sed 5d out >other
	not cmp other out
}

@test "programs: a pipeline of five gives what it gives undisturbed" {
	local script='
		{ n=0; while '$going_on'; do echo $((n += 1)); done; echo end $n; } |
		sed "/end/!s/^/line /" | pv -q -L ${RATE:-500k} | tr 1-9 2-9a |
		awk "{ print; sum += NR * length } END { print \"end\", NR, sum }"'
	begin bash -c "$script"
	wait_for 10 grep -q . out
	ten_copies "$PROGRAM"
	ten_copies --consistent "$PROGRAM"
	[ "$(compgen -G 'image/pages-*.img' | wc -l)" = 6 ]
	copies_are_memory 10 "$PROGRAM"
	[ "${#HALTED[@]}" = 6 ]
	end

	rm stop
	LIMIT=$(($(sed -n 's/^end //p' out | tail -n 1 | cut -d ' ' -f 1) - 1)) RATE=1g \
		bash -c "$script" | cmp - out
	sed 5d out >other
	not cmp other out
}
