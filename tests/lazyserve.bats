#!/usr/bin/env bats
# lazyserve: each page of a restored process is what it was, whatever that
# process does; and if we die, it never sees one that is not. (tests/criu.bats
# has the same with a real criu restore.)

load helpers/lib
load helpers/images

setup() { lib_setup; }
teardown() { lib_teardown; }

PAGES=6000

# serve [OPTION...] DIR: lazyserve, which is ready. $SERVER is its pid.
serve() { serve_by '' "$@"; }

# serve_by COMMAND [OPTION...] DIR: that runs it.
serve_by() {
	: >errors
	# shellcheck disable=SC2086 # words
	$1 lazyserve "${@:2}" >summary 2>errors 3>&- &
	SERVER=$!
	VICTIMS+=("$SERVER")
	wait_for 10 grep -q 'ready: ' errors
}

# touch_all ACTION DIR [SEED]: a restored process that does this; $TOUCHER.
touch_all() {
	toucher "$1" "$2" $PAGES "${@:3}" >said 2>toucher.errors 3>&- &
	TOUCHER=$!
	VICTIMS+=("$TOUCHER")
}

# ends PID CODE: it ends so, soon.
ends() {
	local code=0
	timeout 30 tail --pid="$1" -s 0.01 -f /dev/null || { echo "$1 does not end"; return 1; }
	wait "$1" 2>/dev/null || code=$?
	[ "$code" = "$2" ] || { echo "$1 ends with $code, not $2: $(cat errors said toucher.errors)"; return 1; }
}

# all_right ACTION DIR [OPTION...]
all_right() {
	serve --json "${@:3}" "$2"
	touch_all "$1" "${WORK-$2}"
	ends "$TOUCHER" 0
	grep -qx ok said
	ends "$SERVER" 0
}

number() { sed "s/.*\"$1\":\([0-9]*\).*/\1/" summary; }

guard_of() { cat "/proc/$1/task/$1/children"; }
guarded() { [ -n "$(guard_of "$1")" ]; }

@test "lazyserve: every page is what it was: in order, backwards, at random, by threads" {
	toucher make full $PAGES
	for action in order backwards random threads; do
		all_right "$action" full
		# all that is lazy, and each page once
		[ "$(($(number fetched) + $(number pushed)))" = "$(lazyserve --check full 2>&1 | grep -o '[0-9]* pages' | cut -d' ' -f1)" ]
		[ "$(number there)" = 0 ]
		[ "$(number refused)" = 0 ]
		[ "$(number faults)" -gt 0 ]
		[ "$(number latency_99_ns)" -ge "$(number latency_median_ns)" ]
		[ ! -e full/lazy-pages.socket ]
	done
	grep -q 'pages .* of 1 tasks in .* on faults' errors
	grep -q 'faults .* answered in .* (median), .* (99 %)' errors
}

@test "lazyserve: (twin) a byte that is not what it was is found" {
	toucher make full $PAGES
	printf x | dd of=full/pages-1.img bs=1 seek=$((4096 * 5000)) conv=notrunc status=none
	serve full
	touch_all order full
	ends "$TOUCHER" 3
	grep -q '^wrong ' said
	ends "$SERVER" 0
}

@test "lazyserve: children have the pages of their parents, and their children" {
	toucher make full $PAGES
	forks=0
	for action in children write forkexec; do
		all_right "$action" full
		forks=$((forks + $(number forks)))
	done
	[ "$forks" -gt 0 ]
}

@test "lazyserve: memory that moves, is dropped, unmapped, protected, or new" {
	toucher make full $PAGES
	for action in move move move move move move drop protect grow; do
		all_right "$action" full
		[ "$(number refused)" = 0 ]
	done
}

@test "lazyserve: all of it at once, some times" {
	toucher make full $PAGES
	for seed in 1 2 3 4 5 6; do
		serve full
		touch_all everything full $seed
		ends "$TOUCHER" 0
		ends "$SERVER" 0
	done
}

@test "lazyserve: a process that ends or calls exec is done with" {
	toucher make full $PAGES
	for action in end exec; do
		all_right "$action" full
	done
}

@test "lazyserve: the pages of a chain, for a restore from a small directory" {
	toucher make full $PAGES
	toucher make child $PAGES child
	ln -s ../full child/parent
	toucher make small $PAGES small
	serve --json -W small child
	touch_all random small
	ends "$TOUCHER" 0
	ends "$SERVER" 0
	[ "$(number there)" = 0 ]
	# (twin) with its parent gone that is refused before anything begins
	rm child/parent
	code=0
	lazyserve -W small child 2>errors || code=$?
	[ "$code" = 2 ]
	[[ "$(cat errors)" == 'lazyserve: child/pagemap-77.img: byte '*': the page 0x'*' is to be in child/parent: there is no parent' ]]
}

# refused CODE MESSAGE ARGUMENT...
refused() {
	local code=0
	timeout 20 lazyserve "${@:3}" >said 2>errors || code=$?
	[ "$code" = "$1" ] || { echo "$code: $(cat errors)"; return 1; }
	grep -qF -- "$2" errors || { cat errors; return 1; }
	[ "$(wc -l <errors)" = 1 ]
}

@test "lazyserve: a directory that cannot be served is refused at once" {
	toucher make small $PAGES small
	refused 2 'is not here: it was left with its process; give the full directory' small
	toucher make full $PAGES
	truncate -s -1 full/pages-1.img
	refused 2 'full/pages-1.img: ends at byte' full
	rm full/pagemap-77.img
	refused 2 'full: it holds no pagemap of a process' full
	refused 111 'cannot read none: No such file or directory' none
	refused 100 'lazyserve takes one directory'
	refused 100 '--on-death takes kill or stop' --on-death=mourn full
	toucher make other $PAGES
	mkdir other/lazy-pages.socket
	refused 111 'other/lazy-pages.socket: is there, and no socket' other
}

@test "lazyserve: --check sees whether all pages are there, and no more" {
	toucher make full $PAGES
	lazyserve --check full 2>errors
	grep -q '^lazyserve: [0-9]* pages of 1 tasks can be given$' errors
	[ ! -e full/lazy-pages.socket ]
}

@test "lazyserve: a restore from another directory is found out" {
	toucher make full $PAGES
	toucher make child $PAGES child
	ln -s ../full child/parent
	# child has all pages loaded, the process that comes has none of them
	serve child
	touch_all order child
	ends "$SERVER" 2
	ends "$TOUCHER" 137
	grep -q 'pid 77: restore has not loaded the page 0x7[0-9a-f]* itself' errors
}

@test "lazyserve: images that become unreadable midway: the process is killed, not misled" {
	midway
	truncate -s 0 full/pages-1.img
	ends "$SERVER" 2
	ends "$TOUCHER" 137
	grep -qE 'cannot read (full/pages-1.img at byte [0-9]*: it has|the page 0x7[0-9a-f]* from its image: the file has) become shorter' errors
}

# says MESSAGE WORD...: what comes on the socket is refused with this line.
says() {
	serve full
	announce.py full "${@:2}" wait || : # killed, if it has said that it is a task
	ends "$SERVER" "${CODE:-2}"
	grep -qF -- "$1" errors || { cat errors; return 1; }
	[ "$(grep -vc 'ready: \|has ended too early: killed 1 process' errors)" = 1 ]
}

@test "lazyserve: what is no restore is refused in one line" {
	toucher make full $PAGES
	says 'restore announces pid 78, of which there is no image' pid=78 uffd
	says 'restore announces pid 77 as a zombie, and there are pages of it' zombie=77
	says 'restore says that it has finished, and has not announced pid 77' finish
	says 'no restore: a task without its userfaultfd' pid=77 file
	says 'no restore: a task without its userfaultfd' pid=77 byte
	says 'no restore: a task without its userfaultfd' pid=77 two
	says 'no restore: a number that is no process id' hex=00000000
	says 'no restore: a descriptor where a number should be' uffd
	says 'no restore: a task without its userfaultfd' hex=474554202f20485454502f312e31
}

@test "lazyserve: a restore that goes too early is 1, half an announcement 2" {
	toucher make full $PAGES
	serve full
	announce.py full
	ends "$SERVER" 1
	grep -q 'restore has gone before it had finished' errors
	serve full
	announce.py full zombie=5 hex=4d00
	ends "$SERVER" 2
	grep -q 'it ends within an announcement' errors
	serve full
	announce.py full pid=77 || :
	ends "$SERVER" 2
	grep -q 'it ends within an announcement' errors
}

@test "lazyserve: a pid that comes twice ends both" {
	toucher make full $PAGES
	serve full
	announce.py full pid=77 uffd pid=77 uffd wait || : # killed, as it is the task
	ends "$SERVER" 2
	grep -q 'restore announces pid 77 twice' errors
}

@test "lazyserve: somebody else's connection is refused, and does not matter" {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	toucher make full $PAGES
	chmod 711 "$T"
	chmod 755 full
	serve full
	[ "$(stat -c %a full/lazy-pages.socket)" = 700 ] || [ "$(stat -c %a full/lazy-pages.socket)" = 600 ]
	chmod 666 full/lazy-pages.socket
	setpriv --reuid=65534 --regid=65534 --clear-groups "$ROOT/tests/helpers/announce.py" "$T/full" finish wait || :
	wait_for 10 grep -q "somebody else's connection refused" errors
	touch_all order full
	ends "$TOUCHER" 0
	ends "$SERVER" 0
}

@test "lazyserve: a path that is too long for a socket is none" {
	long=$(printf 'a%.0s' {1..120})
	mkdir "$long"
	toucher make full $PAGES
	serve -W "$long" full
	(cd "$long" && exec toucher order . $PAGES) >said 3>&-
	ends "$SERVER" 0
	[ "$(cat said)" = ok ]
}

@test "lazyserve: --daemon returns when the restore may begin" {
	toucher make full $PAGES
	lazyserve --daemon full 2>errors
	[ -S full/lazy-pages.socket ]
	toucher order full $PAGES
	wait_for 10 grep -q ' on faults' errors
}

# killed_at MOMENT ACTION [OPTION...]: kill -9 so many ms after the start.
killed_at() {
	serve -v "${@:3}" full
	touch_all "$2" full "$1"
	sleep "$(printf '0.%03d' "$1")"
	if [ -n "$UNGUARDED" ]; then
		kill -STOP "$SERVER"
		kill -KILL "$(guard_of "$SERVER")" 2>/dev/null || :
	fi
	kill -KILL "$SERVER" 2>/dev/null || :
	wait "$SERVER" 2>/dev/null || :
}

@test "lazyserve: killed at 100 moments, no process ever sees a wrong page" {
	toucher make full $PAGES
	killed=0
	for n in {1..100}; do
		actions=(children threads random everything)
		killed_at $((RANDOM % 60)) "${actions[n % 4]}"
		# dead, or it was done before; 1: restore itself was refused
		timeout 20 tail --pid="$TOUCHER" -s 0.01 -f /dev/null || { echo "$n hangs: $(cat errors)"; false; }
		code=0
		wait "$TOUCHER" 2>/dev/null || code=$?
		[[ " 0 1 137 141 " == *" $code "* ]] || { echo "$n: $code: $(cat said errors)"; false; }
		not grep -q wrong said
		[ "$code" != 137 ] || killed=$((killed + 1))
	done
	[ "$killed" -gt 30 ] || { echo "only $killed were hit midway"; false; }
}

@test "lazyserve: (twin) with its guard gone, too, wrong pages are seen" {
	toucher make full 60000
	PAGES=60000
	UNGUARDED=yes
	seen=0
	for n in {1..10}; do
		killed_at 30 random
		wait "$TOUCHER" 2>/dev/null || :
		! grep -q '^wrong .*: zero' said || seen=$((seen + 1))
	done
	[ "$seen" -gt 0 ]
}

# midway [OPTION...]: a process that has some of its pages.
midway() {
	toucher make full $PAGES
	serve "$@" full
	touch_all midway full
	wait_for 10 grep -qx midway said
	wait_for 10 eval 'guarded "$SERVER"'
	GUARD=$(($(guard_of "$SERVER")))
}

@test "lazyserve: --on-death=stop: stopped, held, and still right when it goes on" {
	midway --on-death=stop
	kill -KILL "$SERVER"
	wait_for 10 grep -q "stopped 1 process, whose missing pages .* for as long as this process ($GUARD) lives" errors
	wait_for 10 eval '[ "$(state_of "$TOUCHER")" = T ]'
	kill -CONT "$TOUCHER"
	sleep 0.2
	not grep -q wrong said
	[ -e "/proc/$TOUCHER" ]
	kill -KILL "$TOUCHER"
	wait_for 10 eval '[ ! -e /proc/$GUARD ] || grep -q "State:.Z" /proc/$GUARD/status'
}

@test "lazyserve: (twin) without that guard it goes on with a wrong page" {
	midway --on-death=stop
	kill -STOP "$SERVER" # else it might start another one in between
	kill -KILL "$GUARD" "$SERVER"
	wait_for 10 grep -q '^wrong .*: zero' said
}

@test "lazyserve: a guard that is killed is replaced, and the new one guards" {
	midway
	kill -KILL "$GUARD"
	wait_for 10 grep -q 'the guard was killed; there is a new one' errors
	kill -KILL "$SERVER"
	wait_for 10 grep -q 'the daemon has ended too early: killed 1 process' errors
	ends "$TOUCHER" 137
}

@test "lazyserve: a guard that cannot look for children kills no parent before it can" {
	local n hit=0
	toucher make full $PAGES
	for n in 3 4 5 6; do
		serve_by "strace -f -qq -o calls -e trace=getdents64 -e inject=getdents64:error=ENOMEM:when=$n" full
		touch_all write full
		ends "$TOUCHER" 137
		ends "$SERVER" 111
		grep -q 'killed 2 processes' errors
		hit=$((hit + $(grep -c INJECTED calls)))
	done
	# the daemon once, and its guard
	[ "$hit" -gt 4 ]
}

@test "lazyserve: ended by a signal, it takes the process along and says so" {
	midway
	kill -TERM "$SERVER"
	ends "$SERVER" 143
	ends "$TOUCHER" 137
	wait_for 10 grep -q 'the daemon has ended too early: killed 1 process' errors
}

# offers DIR [OPTION...]: a page server; $PORT and $STORE.
offers() {
	listens "$@"
	STORE=$SERVER # which serve will set, too
}

@test "lazyserve: pages that are not here come from a page server, each once" {
	toucher make full $PAGES
	toucher make small $PAGES small
	for form in 24 32; do
		offers full --once
		all_right random small --source "127.0.0.1:$PORT" --protocol $form
		ends "$STORE" 0
		grep -q "served $(($(number fetched) + $(number pushed))) pages" served
		[ "$(number there)" = 0 ]
	done
	for action in threads children everything move drop; do
		all_right $action small --source-command 'exec pageserve --stdio full'
	done
}

@test "lazyserve: a page server that goes midway ends it like any death" {
	toucher make full $PAGES
	toucher make small $PAGES small
	offers full
	serve --source "127.0.0.1:$PORT" small
	touch_all midway small
	wait_for 10 grep -qx midway said
	kill -KILL "$STORE"
	ends "$SERVER" 2
	ends "$TOUCHER" 137
	grep -q "the page server 127.0.0.1:$PORT: " errors
	wait_for 10 grep -q 'killed 1 process' errors
}

@test "lazyserve: a source command without a shell to run it is said" {
	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || skip 'needs root, for a mount'
	toucher make small $PAGES small
	unshare -m bash -c 'mount --bind /dev/null /bin/sh &&
		exec timeout 20 lazyserve --source-command true small' 2>errors || code=$?
	[ "$code" = 2 ]
	grep -q '^lazyserve: cannot run /bin/sh: Permission denied$' errors
}

@test "lazyserve: a page server that cannot be reached is said at once" {
	toucher make small $PAGES small
	refused 111 'cannot connect to 127.0.0.1:1: Connection refused' --source 127.0.0.1:1 small
	refused 100 '--source takes HOST:PORT, not here' --source here small
	refused 100 '--protocol takes 24 or 32' --protocol 25 small
	refused 100 'there is one source' --source a:1 --source-command b small
	[ ! -e small/lazy-pages.socket ]
	serve --source-command 'exit 7' small
	ends "$SERVER" 2
	grep -q 'the page server exit 7: it has gone' errors
}
