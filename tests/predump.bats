#!/usr/bin/env bats
# predump: the driver.  Fake tools, which only write down how they were called,
# stand in for what this machine's kernel cannot do.

load helpers/lib
export BATS_TEST_TIMEOUT=150

setup() { lib_setup; }
teardown() { lib_teardown; }

# driven ARGUMENT...: predump; $CODE, $T/out and $T/errors.
driven() {
	CODE=0
	timeout -k 1 30 "${PREDUMP:-predump}" "$@" >out 2>errors 3>&- || CODE=$?
}

# succeeds, fails ARGUMENT...: with the code in front.
succeeds() { driven "$@"; [ "$CODE" = 0 ] || { cat errors; false; }; }
fails() {
	local code=$1
	shift
	driven "$@"
	[ "$CODE" = "$code" ] || { echo "$* ended with $CODE"; cat errors; false; }
}

# value PATH: of the JSON in out, as python writes it.
value() { /usr/bin/python3 -c 'import json,sys; j=json.load(open("out")); print(eval("j"+sys.argv[1]))' "$1"; }

# fakes: $PREDUMP, beside which all tools are fake.
fakes() {
	local tool
	mkdir fake
	cp "$BIN/predump" fake
	cat >fake/tool <<-'END'
	#!/bin/bash
	name=${0##*/}
	line=$name
	for argument; do
		line="$line <$argument>"
	done
	if [[ $line =~ ^(.*)' <--ring> <'([0-9]+,[0-9]+)'>'(.*)$ ]]; then
		line=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
		for fd in ${BASH_REMATCH[2]/,/ }; do readlink "/proc/self/fd/$fd" >>"ring.$name"; done
	fi
	fd=
	case "$line" in
	*' <--totals>'*) fd=${line##*<--totals> <} fd=${fd%>} line="${line%% <--totals>*}" ;;
	esac
	echo "$line" >>"calls.$name"
	case "$line" in
	'memtrack <--status>'*) [ -e tracked ] || { echo none >&2; exit 1; }; exit ;;
	memtrack*)
		[ ! -e cannot ] || { echo "memtrack: no" >&2; exit 111; }
		trap 'rm -f tracked; echo ended >>calls.memtrack; exit 0' TERM
		touch tracked
		echo "memtrack: ready"
		while :; do sleep 0.02; done ;;
	esac
	[ "$name" = freeze ] || cat >/dev/null
	[ "$name" != imgwrite ] || for dir; do :; done
	[ "$name" != imgwrite ] || mkdir -p "$dir"
	nr=$(wc -l <"calls.$name")
	[ ! -e "sleep.$name" ] || sleep "$(cat "sleep.$name")"
	[ -z "$fd" ] || cat "totals.$nr" >&$fd 2>/dev/null || cat totals >&$fd
	[ ! -e "code.$name.$nr" ] || exit "$(cat "code.$name.$nr")"
	[ ! -e "code.$name" ] || exit "$(cat "code.$name")"
	END
	chmod +x fake/tool
	for tool in freeze vmalist memread imgwrite memtrack zstd lz4; do
		cp fake/tool "fake/$tool"
	done
	echo '{"whole":true,"consistent":false,"page_size":4096,"tasks":1,"gone":0,"async_io":0,"tracking":"soft-dirty","generation":1,"base_generation":0,"stopped_ns":5000000,"read_ns":1000000,"sent":10,"zero":20,"unchanged":30,"lazy":0,"skipped":{"unmapped":1,"unreadable":2,"gone":0},"bytes":40960}' >totals
	PREDUMP=$PWD/fake/predump
}

# called TOOL LINE...: that is how it was called, and no more; then forgets.
called() {
	local tool=$1
	shift
	printf '%s\n' "$@" | diff - <(cat "calls.$tool" 2>/dev/null) || return 1
	rm -f "calls.$tool"
}

# So that two copies are alike.
all_stand_still() {
	local pid
	for pid in "$VICTIM" $(pgrep -P "$VICTIM"); do
		stand_still "$pid"
	done
}

forget() { rm -rf calls.* ring.* image; }

# same_images LEFT RIGHT: byte for byte, but for the times in stats-dump and the
# head, which names the session.
same_images() { diff -r -x stats-dump -x pagepipe.head -x inventory.img "$1" "$2"; }

@test "predump: makes the directory that the hand-typed pipeline makes" {
	victim anon=8M zeros=1M none sparse children=2
	all_stand_still
	succeeds -t "$VICTIM" -D image
	stages "freeze $VICTIM" vmalist memread 'imgwrite typed'
	[ "$STATUS" = '0 0 0 0' ]
	imgcmp "$VICTIM" image
	[ "$(ls image)" = "$(ls typed)" ]
	same_images image typed
	change_is_found "$VICTIM" image 1
	not same_images image typed
}

@test "predump: what --dry-run prints makes the same directory, whatever its name" {
	local dir
	victim anon=2M none
	stand_still "$VICTIM"
	succeeds -t "$VICTIM" -D image
	for dir in plain "two words" "it's" $'new\nline' '$HOME' '-x' '"*"' 'a;b' 'b\ack'; do
		succeeds -t "$VICTIM" -D "$dir" --dry-run
		[ ! -e "$dir" ]
		sh -c "$(cat out)"
		same_images image "./$dir"
		# (twin) of a page that differs
		printf X | dd of="./$dir/pages-1.img" conv=notrunc status=none
		not same_images image "./$dir"
	done
}

@test "predump: --dry-run of rounds, and of a stream, do what predump does" {
	victim anon=2M
	stand_still "$VICTIM"
	succeeds -t "$VICTIM" -D rounds --rounds 2 --final --track none
	succeeds -t "$VICTIM" -D 'the rounds' --rounds 2 --final --track none -n
	sh -c "$(cat out)"
	same_images rounds 'the rounds'
	[ "$(ls 'the rounds')" = $'1\n2\n3' ]

	succeeds -t "$VICTIM" -o 'a stream' --compress zstd -n
	sh -c "$(cat out)"
	[ "$(stat -c %a 'a stream')" = 600 ]
	zstd -dc 'a stream' | imgwrite image
	same_images rounds/1 image
	# it overwrites nothing
	not sh -c "$(cat out)"
	succeeds -t "$VICTIM" -o - -n
	sh -c "$(cat out)" | imgwrite other
	same_images image other
	# a failure stops the rounds
	succeeds -t 999999 -D none --rounds 3 --track none -n
	not sh -c "$(cat out)" 2>errors
	[ "$(grep -c '^freeze' errors)" = 1 ]
}

@test "predump: the options of freeze, vmalist, memread and imgwrite, exactly" {
	fakes
	succeeds -t 42 -D image
	called freeze 'freeze <42>'
	called vmalist vmalist
	called memread memread
	called imgwrite 'imgwrite <image>'
	# the memory that the two share
	grep -qx '/memfd:pagepipe (deleted)' ring.memread
	grep -qx 'anon_inode:\[eventfd\]' ring.memread
	diff ring.memread ring.imgwrite

	succeeds --tree 42 --images-dir image/ --pre-dump-mode read -R --force -q
	called freeze 'freeze <-q> <42>'
	called vmalist 'vmalist <-q>'
	called memread 'memread <-q>'
	called imgwrite 'imgwrite <-q> <--force> <image/>'
	[ ! -s out ]

	succeeds -t 42 -D image -v4 --progress --track-mem
	called freeze 'freeze <-v> <42>'
	called vmalist 'vmalist <-v> <--track=soft-dirty>'
	called memread 'memread <-v> <--progress>'
	called imgwrite 'imgwrite <-v> <image>'

	succeeds -t 42 -D image -vvvv --final
	called imgwrite 'imgwrite <-v> <image>'
	forget
	succeeds -t 42 -D image --final
	called freeze 'freeze <--consistent> <42>'
	succeeds -t 42 -D image --final --leave-stopped
	called freeze 'freeze <--consistent> <--leave-stopped> <42>'
	grep -q '^the target is stopped: kill -CONT 42 ' out
	forget
	succeeds -t 42 -D image -s --final --leave-running
	called freeze 'freeze <--consistent> <42>'
	forget
	succeeds -t 42 -o stream --compress lz4
	called lz4 'lz4 <-qc>'
	succeeds -t 42 -o other --compress zstd --final
	called zstd 'zstd <-qc>'
	[ ! -e calls.imgwrite ]
	# (twin) what differs is found
	not called freeze 'freeze <42>'
	[ ! -e calls.memtrack ]
}

@test "predump: rounds build on one another, by a tracker of its own" {
	fakes
	succeeds -t 42 -D image --rounds 2 --final
	called freeze 'freeze <42>' 'freeze <42>' 'freeze <--consistent> <42>'
	called vmalist 'vmalist <--full>' 'vmalist <--base> <image/1>' 'vmalist <--base> <image/2>'
	called imgwrite 'imgwrite <image/1>' 'imgwrite <--parent> <../1> <image/2>' \
		'imgwrite <--parent> <../2> <image/3>'
	called memtrack 'memtrack <--status> <42>' 'memtrack <42>' ended
	[ ! -e tracked ]
	[ ! -s errors ]
	[ "$(grep -c ': whole after all; ' out)" = 1 ]
	grep -q '^image/3: consistent; whole after all; ' out
	sed -i 's/"base_generation":0/"base_generation":1/' totals
	[ "$(stat -c %a image)" = 700 ]
	forget

	succeeds -t 42 -D image --rounds 3 --track-mem
	called vmalist 'vmalist <--track=soft-dirty> <--full>' \
		'vmalist <--track=soft-dirty> <--base> <image/1>' \
		'vmalist <--track=soft-dirty> <--base> <image/2>'
	called memtrack 'memtrack <--status> <42>' 'memtrack <--track=soft-dirty> <42>' ended
	grep -q "^to go on: mkdir -m 700 $T/image/4 && criu dump -t 42 -D $T/image/4 --prev-images-dir ../3 --track-mem$" out
	forget

	# one that runs is used, and left alone
	touch tracked
	succeeds -t 42 -D image --rounds 2 --track uffd
	called memtrack 'memtrack <--status> <42>'
	[ -e tracked ]
	forget
	rm tracked
	touch cannot
	fails 111 -t 42 -D image --rounds 2
	grep -q '^memtrack: no$' errors
	grep -q '^predump: memtrack ended with 111: .*--track none' errors
	[ ! -e image ]
	[ ! -e calls.freeze ]
	# no tracker for what builds on nothing
	succeeds -t 42 -D image --rounds 1
	called memtrack 'memtrack <--status> <42>' 'memtrack <42>'
	called vmalist vmalist
	called imgwrite 'imgwrite <image/1>'
}

@test "predump: --prev-images-dir is found from here, and linked to as it is given" {
	fakes
	mkdir -p some/where
	fails 100 -t 42 -D some/where/2 --prev-images-dir ../1
	grep -q '^predump: no memtrack runs for pid 42, ' errors
	[ ! -e calls.freeze ]
	touch tracked
	for pair in 'some/where/2 ../1 some/where/1' '2 ../1 ./1' '2/ ../../1 ./../1' "$T/2/ ../1 $T/1" \
		'some/where/. ../1 some/where/./../1' 'image /abs /abs' \
		'some/where/.. ../1 some/where/../../1' 'some/x ../../1 some/../1' \
		'some/x in some/x/in'; do
		read -r dir path base <<<"$pair"
		forget
		succeeds -t 42 -D "$dir" --prev-images-dir "$path" --track-mem
		called vmalist "vmalist <--track=soft-dirty> <--base> <$base>"
		called imgwrite "imgwrite <--parent> <$path> <$dir>"
		called memtrack 'memtrack <--status> <42>'
	done
	forget
	succeeds -t 42 -D image --rounds 2 --prev-images-dir ../../old/7
	called vmalist 'vmalist <--base> <image/../old/7>' 'vmalist <--base> <image/1>'
	called imgwrite 'imgwrite <--parent> <../../old/7> <image/1>' \
		'imgwrite <--parent> <../1> <image/2>'
}

@test "predump: --dry-run with a tracker starts it, waits for it and ends it" {
	fakes
	succeeds -t 42 -D image --rounds 2 --track-mem -n
	[ ! -e calls.memtrack ]
	sh -c "$(cat out)"
	[ "$(grep -v status calls.memtrack)" = $'memtrack <--track=soft-dirty> <42>\nended' ]
	[ ! -e tracked ]
	called imgwrite 'imgwrite <image/1>' 'imgwrite <--parent> <../1> <image/2>'
	forget
	echo 1 >code.imgwrite
	not sh -c "$(cat out)"
	called imgwrite 'imgwrite <image/1>'
	[ ! -e tracked ]
	forget
	touch cannot
	not sh -c "$(cat out)"
	[ ! -e calls.freeze ]
}

@test "predump: called wrongly: 100, one line, and nothing is started" {
	fakes
	while read -r line; do
		# shellcheck disable=SC2086 # arguments
		eval fails 100 $line
		[ "$(wc -l <errors)" = 1 ] || { echo "$line"; cat errors; false; }
		[ ! -s out ]
		not compgen -G 'calls.*'
		not compgen -G '[dx]*'
	done <<-'END'
	-D d
	-t 42
	-t 0 -D d
	-t x -D d
	-t 42 -D ''
	-t 42 -D d 43
	-t 42 -D d -o x
	-t 42 -D d --compress zstd
	-t 42 -o x --compress gzip
	-t 42 -D d --rounds 0
	-t 42 -D d --rounds 100
	-t 42 -D d --rounds many
	-t 42 -D d --rounds auto --track none
	-t 42 -D d --rounds auto --dry-run
	-t 42 -D d --rounds auto --force
	-t 42 -D d --rounds auto --downtime 0
	-t 42 -D d --rounds auto --downtime soon
	-t 42 -D d --rounds auto --max-time -1
	-t 42 -D d --rounds 3 --downtime 20ms
	-t 42 -D d --rounds auto --rounds 3 --max-time 1s
	-t 42 -D d --max-time 1s
	-t 42 -o x --rounds auto
	-t 42 -o x --rounds 2
	-t 42 -o x --prev-images-dir ../1
	-t 42 -D d --leave-stopped
	-t 42 -D d --rounds 2 --force
	-t 42 -D d --pre-dump-mode splice
	-t 42 -D d --pre-dump-mode other
	-t 42 -D d --track maybe
	-t 42 -D d --track none --prev-images-dir ../1
	-t 42 -D d --tcp-established
	-t 42 -D d --shell-job
	-t 42 -D d -j
	-t 42 -D d -W /tmp
	-t 42 -D d --log-file log
	-t 42 -D d -vx
	-t 42 -D d --no-such
	END
	fails 100 -t 42 -D d --pre-dump-mode splice
	grep -q 'splice is not there yet' errors
	fails 100 -t 42 -D d --file-locks
	grep -q 'a pre-dump is memory alone' errors
	# (twin)
	succeeds -t 42 -D image
}

@test "predump: blames the leftmost whose code is neither 2 nor 3, and ends with it" {
	fakes
	while read -r codes blamed code; do
		rm -f code.*
		forget
		set -- freeze vmalist memread imgwrite
		for own in ${codes//,/ }; do
			echo "$own" >"code.$1"
			shift
		done
		fails "$code" -t 42 -D image
		grep -q "^predump: image: $blamed ended with " errors || { echo "$codes"; cat errors; false; }
	done <<-'END'
	1,2,2,2 freeze 1
	3,3,111,2 memread 111
	3,3,3,100 imgwrite 100
	1,1,1,1 freeze 1
	0,2,2,2 vmalist 2
	0,0,0,2 imgwrite 2
	3,3,0,0 vmalist 3
	3,1,2,2 vmalist 1
	0,0,1,1 memread 1
	0,77,2,2 vmalist 111
	END
	rm -f code.*
	forget
	echo 1 >code.zstd # which is no target that went away
	fails 111 -t 42 -o stream --compress zstd
	grep -q '^predump: stream: zstd ended with 1$' errors
	[ ! -e stream ]
	rm code.zstd
	succeeds -t 42 -D image
	echo nonsense >totals
	forget
	fails 111 -t 42 -D image
	grep -q 'totals' errors
}

@test "predump: a tool that is missing is named, and nothing is started" {
	fakes
	rm fake/imgwrite
	PATH=/usr/bin:/bin fails 111 -t 42 -D image
	grep -q '^predump: cannot find imgwrite, ' errors
	[ "$(wc -l <errors)" = 1 ]
	[ ! -e calls.freeze ]
	# one that cannot be executed
	printf '#!/no/such/shell\n' >fake/imgwrite
	chmod +x fake/imgwrite
	fails 111 -t 42 -D image
	grep -q 'imgwrite: No such file' errors
	grep -q '^predump: image: imgwrite ended with 111$' errors
	# (twin) it is found in PATH
	rm fake/imgwrite
	forget
	mkdir else
	cp fake/tool else/imgwrite
	PATH=$PWD/else:$PATH succeeds -t 42 -D image
	called imgwrite 'imgwrite <image>'
}

# tools: $PREDUMP beside the real tools, some of which can be replaced.
tools() {
	mkdir tools
	cp "$BIN"/* tools
	PREDUMP=$PWD/tools/predump
}

# nothing_left: no child of predump, nothing half-made; the target runs.
nothing_left() {
	runs "$VICTIM"
	not compgen -G '.image*'
	not compgen -G '.stream*'
	# (init reaps late what has lost its parent)
	not grep -E ' [^Z ]+ +(freeze|vmalist|memread|imgwrite|memtrack)$' \
		<(ps -o pid=,ppid=,etimes=,stat=,comm= -s "$(ps -o sid= -p $$ | tr -d ' ')")
}

child() { pgrep -P "$DRIVER" -x "$1"; }

# drive ARGUMENT...: in the background; $DRIVER.  A shell without job control has
# INT and QUIT ignored there.
drive() {
	env --default-signal=INT,QUIT,HUP "$PREDUMP" "$@" >out 2>errors 3>&- &
	DRIVER=$!
	VICTIMS+=("$DRIVER")
}

# held: at work on a consistent copy that does not go on, as its imgwrite, $WRITER,
# stops itself.
held() {
	rm -rf image
	drive -t "$VICTIM" -D image --final
	wait_for 5 child imgwrite >/dev/null
	WRITER=$(child imgwrite)
	VICTIMS+=("$WRITER")
	wait_for 5 stands_still "$WRITER"
	wait_for 5 grep -q '^TracerPid:	[1-9]' "/proc/$VICTIM/status"
	sleep 0.05
}

a_writer_that_stops() {
	tools
	printf '#!/bin/sh\nkill -STOP $$\nexec %s "$@"\n' "$BIN/imgwrite" >tools/imgwrite
}

ended() {
	CODE=0
	wait "$DRIVER" || CODE=$?
}

@test "predump: names the stage that was killed, each in turn" {
	local stage signal i
	victim anon=64M spin
	a_writer_that_stops
	for stage in freeze memread imgwrite; do
		for signal in TERM KILL TERM KILL; do
			held
			kill "-$signal" "$(child "$stage")"
			[ "$stage" = imgwrite ] || sleep 0.05
			kill -CONT "$WRITER" 2>/dev/null || :
			ended
			[ "$CODE" = 111 ] || { echo "$stage $signal: $CODE"; cat errors; false; }
			grep -q "^predump: image: $stage was killed by signal $(kill -l "$signal") " errors ||
				{ cat errors; false; }
			[ ! -e image ]
			nothing_left
		done
	done
	# one that had done its work: the copy is there, and that is said
	printf '#!/bin/sh\n%s "$@"\nexec >&-\nexec sleep 20\n' "$BIN/memread" >tools/memread
	held
	kill -CONT "$WRITER"
	wait_for 5 test -e image/inventory.img
	kill -KILL "$(child sleep)"
	ended
	[ "$CODE" = 111 ]
	grep -q '^predump: image: memread was killed by signal 9 (Killed); image is whole$' errors
	cp "$BIN/memread" tools
	# (twin) nobody is killed
	held
	kill -CONT "$WRITER"
	ended
	[ "$CODE" = 0 ]
	not grep -q killed errors
}

@test "predump: names a vmalist that was killed, and one of four that hang" {
	local stage signal
	victim anon=1M
	tools
	for stage in freeze vmalist memread imgwrite; do
		for signal in TERM KILL HUP; do
			printf '#!/bin/sh\nexec sleep 20\n' >"tools/$stage"
			drive -t "$VICTIM" -D image
			wait_for 5 child sleep >/dev/null
			kill "-$signal" "$(child sleep)"
			ended
			[ "$CODE" = 111 ] || { echo "$stage $signal: $CODE"; cat errors; false; }
			grep -q "^predump: image: $stage was killed by signal" errors
			[ ! -e image ]
			nothing_left
		done
		cp "$BIN/$stage" "tools/$stage"
	done
	succeeds -t "$VICTIM" -D image
}

@test "predump: ended by a signal it ends its stages first, and dies by it" {
	[ "${CHECKED:-}" != thread ] || unchecked 'ThreadSanitizer holds signals back'
	local signal
	victim anon=64M spin
	a_writer_that_stops
	for signal in INT TERM HUP QUIT; do
		held
		kill "-$signal" "$DRIVER"
		sleep 0.05
		kill -0 "$DRIVER" # it waits for imgwrite
		kill -CONT "$WRITER"
		ended
		[ "$CODE" = $((128 + $(kill -l "$signal"))) ] || { echo "$signal: $CODE"; false; }
		[ ! -e image ]
		nothing_left
		not grep -q '^predump' errors
	done
	# killed outright, its stages end by themselves
	held
	kill -KILL "$DRIVER"
	wait "$DRIVER" || :
	kill -CONT "$WRITER"
	wait_for 5 eval '[ ! -e /proc/'"$WRITER"' ]'
	wait_for 5 runs "$VICTIM"
	[ ! -e image ]
	nothing_left
}

@test "predump: Ctrl-C in a terminal leaves nothing, and the target runs" {
	local socket=pagepipe-$$
	victim anon=64M spin
	a_writer_that_stops
	cat >run <<-END
	trap : INT
	cd $T
	tools/predump -t $VICTIM -D image --final 2>errors
	echo \$? >code
	END
	tmux -L "$socket" -f /dev/null new-session -d "bash $T/run" 3>&-
	wait_for 5 eval 'DRIVER=$(pgrep -of "^tools/predump -t $VICTIM ")'
	WRITER=
	wait_for 5 eval 'WRITER=$(child imgwrite)'
	wait_for 5 stands_still "$WRITER"
	wait_for 5 grep -q '^TracerPid:	[1-9]' "/proc/$VICTIM/status"
	tmux -L "$socket" send-keys C-c
	wait_for 5 runs "$VICTIM"
	kill -CONT "$WRITER"
	wait_for 5 test -s code
	tmux -L "$socket" kill-server 2>/dev/null || :
	[ "$(cat code)" = 130 ]
	[ ! -e image ]
	not grep -q '^predump' errors
	nothing_left
}

@test "predump: a target that is not there, or goes away: 1, and nothing is left" {
	fails 1 -t 999999 -D image
	grep -q '^predump: image: freeze ended with 1$' errors
	[ ! -e image ]
	fails 1 -t 999999 -D image --rounds 2 --track none
	[ ! -e image ]
	fails 1 -t 999999 -o stream
	[ -z "$(find . -name '*stream*')" ]
	fails 100 -t 1 -D image
	mkdir image
	touch image/mine
	victim anon
	fails 100 -t "$VICTIM" -D image
	grep -q '^predump: image: imgwrite ended with 100$' errors
	[ "$(ls image)" = mine ]
	rm image/mine
	mkdir image/2
	touch image/2/mine
	fails 100 -t "$VICTIM" -D image --rounds 2 --track none
	grep -q '^predump: image/2 is there already' errors
	[ ! -e image/1 ]
	succeeds -t "$VICTIM" -D other
	succeeds -t "$VICTIM" -D other --force
}

@test "predump: rounds without tracking are whole copies; those before a failure stay" {
	victim anon=4M
	stand_still "$VICTIM"
	succeeds -t "$VICTIM" -D image --rounds 2 --final --track none
	for i in 1 2 3; do
		imgcmp "$VICTIM" "image/$i"
		[ ! -e "image/$i/parent" ]
	done
	grep -q '^image/1: stopped for ' out
	grep -q '^image/3: consistent; stopped for ' out
	grep -q '^in all: ' out
	change_is_found "$VICTIM" image/3 1
	[ ! -e image/4 ]

	tools
	printf '#!/bin/sh\n[ ! -e other/2 ] || exit 111\nexec %s "$@"\n' "$BIN/memread" >tools/memread
	fails 111 -t "$VICTIM" -D other --rounds 4 --track none --json
	grep -q '^predump: other/3: memread ended with 111; other/1 to other/2 are whole$' errors
	[ "$(ls other)" = $'1\n2' ]
	imgcmp "$VICTIM" other/2
	[ "$(value '["failed"]')" = "{'stage': 'memread', 'code': 111, 'signal': 0}" ]
	[ "$(value '["copies"][1]["directory"]')" = other/2 ]
}

@test "predump: -o FILE is a whole stream or not there" {
	victim anon=4M children=1
	all_stand_still
	succeeds -t "$VICTIM" -D image
	succeeds -t "$VICTIM" -o stream
	[ "$(stat -c %a stream)" = 600 ]
	imgwrite made <stream
	same_images image made
	for method in zstd lz4; do
		succeeds -t "$VICTIM" -o "stream.$method" --compress "$method"
		rm -r made
		"$method" -dc "stream.$method" | imgwrite made
		same_images image made
		[ "$(stat -c %s "stream.$method")" -lt "$(stat -c %s stream)" ]
	done
	cp stream before
	fails 100 -t "$VICTIM" -o stream
	cmp stream before
	fails 1 -t 999999 -o stream --force
	cmp stream before
	succeeds -t "$VICTIM" -o stream --force
	not cmp -s stream before # another session
	framedump -t <stream
	[ -z "$(find . -name '.stream*')" ]
	# where a file must have a name from the beginning
	mkdir old
	strace -o calls -P "$T/old" -e inject=openat:error=EOPNOTSUPP \
		predump -t "$VICTIM" -o "$T/old/stream" >out
	grep -q 'O_TMPFILE.*INJECTED' calls
	[ "$(ls -A old)" = stream ]
	[ "$(stat -c %a old/stream)" = 600 ]
	framedump -t <old/stream
	not strace -o calls -P "$T/old" -e inject=openat:error=EOPNOTSUPP \
		predump -t 999999 -o "$T/old/other" >out 2>errors
	[ "$(ls -A old)" = stream ]
	# what is no file is written to
	succeeds -t "$VICTIM" -o /dev/null
	[ -c /dev/null ]
	fails 111 -t "$VICTIM" -o /dev/full
	[ -c /dev/full ]
	mkfifo pipe
	imgwrite piped <pipe 3>&- &
	succeeds -t "$VICTIM" -o pipe
	wait $!
	same_images image piped
	# (twin) a stream cut short is no directory
	head -c -1 stream >short
	not imgwrite short.image <short
}

@test "predump: -o - is the stream, its summary goes to stderr; not to a terminal" {
	victim anon=1M
	stand_still "$VICTIM"
	predump -t "$VICTIM" -o - 2>errors | imgwrite image
	imgcmp "$VICTIM" image
	grep -q '^stream: stopped for .* pages sent' errors
	predump -t "$VICTIM" -o - --compress zstd -q 2>errors | zstd -dc | imgwrite other
	same_images image other
	[ ! -s errors ]
	predump -t "$VICTIM" -o - --json 2>out | framedump -t
	[ "$(value '["copies"][0]["output"]')" = stream ]
	# a reader that goes away
	stages "predump -t $VICTIM -o -" 'head -c 100 >/dev/null'
	[ "$STATUS" = '3 0' ]
	stages "predump -t $VICTIM -o - --compress zstd" 'sleep 0'
	[ "$STATUS" = '3 0' ]
	script -qec "predump -t $VICTIM -o -" typed </dev/null >/dev/null || :
	grep -q 'not for a terminal' typed
	not predump -t "$VICTIM" -o - >&- 2>errors
	grep -q '^predump: standard output is closed$' errors
}

@test "predump: --json is what the images hold, and adds up" {
	victim anon=3M zeros=1M children=1
	all_stand_still
	succeeds -t "$VICTIM" -D "it's \"
image" --rounds 3 --track none --json
	[ ! -s errors ]
	cat >check.py <<-'END'
	import glob, json, os, sys
	j = json.load(open("out"))
	assert j["pid"] == int(sys.argv[1]) and j["failed"] is None and len(j["copies"]) == 3
	for c in j["copies"]:
	    assert c["bytes"] == c["sent"] * c["page_size"] > 3 << 20
	    assert 0 < c["stopped_ns"] < 10**9 and c["tasks"] == 2 and c["whole"]
	    disk = sum(os.stat(n).st_blocks for n in glob.glob(glob.escape(c["directory"]) + "/pages-*.img")) * 512
	    size = sum(os.stat(n).st_size for n in glob.glob(glob.escape(c["directory"]) + "/pages-*.img"))
	    assert size == (c["sent"] + c["zero"]) * c["page_size"], (size, c)
	    assert set(c["skipped"].values()) == {0}
	for name, value in j["in_all"].items():
	    if name == "skipped":
	        assert all(v == sum(c[name][n] for c in j["copies"]) for n, v in value.items())
	    elif name != "bytes_per_second":
	        assert value == sum(c[name] for c in j["copies"]), name
	END
	/usr/bin/python3 check.py "$VICTIM"
	# (twin) a number that is wrong is found
	sed -i 's/"sent":/"sent":1/' out
	not /usr/bin/python3 check.py "$VICTIM" 2>/dev/null
	# a name that is no UTF-8 still gives JSON
	succeeds -t "$VICTIM" -D $'\xff\xc3\xa4' --json
	[ "$(value '["copies"][0]["directory"].encode()')" = "b'\\xef\\xbf\\xbd\\xc3\\xa4'" ]
}

@test "predump: rounds of a kernel that tracks send what has changed" {
	victim anon=16M
	memtrack --daemon "$VICTIM" 2>errors || skip 'this kernel tracks no writes'
	memtrack --stop "$VICTIM"
	succeeds -t "$VICTIM" -D image --rounds 2 --final --leave-stopped --json
	[ "$(value '["copies"][0]["sent"]')" -ge 4096 ]
	[ "$(value '["copies"][2]["sent"]')" -lt 1000 ]
	[ "$(value '["copies"][2]["unchanged"]')" -ge 3500 ]
	[ "$(readlink image/3/parent)" = ../2 ]
	[ ! -e image/1/parent ]
	not memtrack --status "$VICTIM"
	stands_still "$VICTIM"
}

@test "predump: the summary has the skips by reason, and rounds their sum" {
	fakes
	succeeds -t 42 -D image --rounds 2
	grep -qx 'image/1: stopped for 5000 us; 10 pages sent (40.0 KiB, 41 MB/s), 30 unchanged, 20 zero, 3 skipped (1 unmapped, 2 unreadable)' out
	grep -qx 'in all: stopped for 10 ms; 20 pages sent (80.0 KiB, 41 MB/s), 60 unchanged, 40 zero, 6 skipped (2 unmapped, 4 unreadable)' out
	forget
	sed -i 's/soft-dirty/uffd/' totals
	succeeds -t 42 -D image --json
	[ "$(value '["continue"]')" = None ]
	forget
	succeeds -t 42 -D image
	grep -q '^criu dump cannot go on from here' out
	forget
	sed -i 's/uffd/soft-dirty/' totals
	succeeds -t 42 -D "an image" --track-mem --json
	[ "$(value '["continue"]')" = "mkdir -m 700 '$T/an image-dump' && criu dump -t 42 -D '$T/an image-dump' --prev-images-dir '../an image' --track-mem" ]
}

# tell PAGES...: round 1, 2 and so on has that many dirty pages; a tenth of them
# are zero, one is skipped, each takes 1 us, and the stop takes 1 ms.
tell() {
	local pages nr=0
	forget
	rm -f totals.*
	for pages; do
		nr=$((nr + 1))
		printf '{"page_size":4096,"tasks":1,"gone":0,"async_io":0,"tracking":"soft-dirty","generation":1,"base_generation":%d,"stopped_ns":1000000,"read_ns":%d,"sent":%d,"zero":%d,"unchanged":5,"lazy":0,"skipped":{"unmapped":1,"unreadable":0,"gone":0},"bytes":%d}\n' \
			$((nr - 1)) $((pages * 1000)) $((pages - 1 - pages / 10)) $((pages / 10)) \
			$(((pages - 1 - pages / 10) * 4096)) >"totals.$nr"
	done
}

# ended_after N REASON: the rounds, as out says in JSON; and no more were made.
ended_after() {
	local reason
	reason=$(value '["ended"]["reason"]') || return 1
	[ "$(value '["ended"]["rounds"]') $reason" = "$1 $2" ] || { cat out; return 1; }
	[ "$(grep -vc consistent calls.freeze)" = "$1" ]
}

@test "predump: --rounds auto goes on until what is left fits in --downtime" {
	fakes
	tell 100000 30000 8000 7000 100
	succeeds -t 42 -D image --rounds auto --downtime 10ms --final
	grep -qx 'ended after 3 rounds: what is left fits in 10 ms; downtime estimated at 9000 us, measured 1000 us' out
	called freeze 'freeze <42>' 'freeze <42>' 'freeze <42>' 'freeze <--consistent> <42>'
	called vmalist 'vmalist <--full>' 'vmalist <--base> <image/1>' \
		'vmalist <--base> <image/2>' 'vmalist <--base> <image/3>'
	called imgwrite 'imgwrite <image/1>' 'imgwrite <--parent> <../1> <image/2>' \
		'imgwrite <--parent> <../2> <image/3>' 'imgwrite <--parent> <../3> <image/4>'
	called memtrack 'memtrack <--status> <42>' 'memtrack <42>' ended
	[ ! -s errors ]
	[ "$(ls image)" = $'1\n2\n3\n4' ]

	tell 100000 30000 8000 7000
	succeeds -t 42 -D image --rounds auto --downtime 9ms --json
	ended_after 3 downtime # exactly
	[ "$(value '["ended"]["estimated_downtime_ns"]')" = 9000000 ]
	[ "$(value '["ended"]["downtime_ns"]')" = None ]
	[ "$(value '["copies"][1]["round"]')" = 2 ]
	[ "$(value '["copies"][1]["dirty"]')" = 30000 ]
	[ "$(value '["copies"][1]["estimated_downtime_ns"]')" = 31000000 ]
	[ "$(value '["copies"][1]["bytes_per_second"]//1000')" = 3686263 ]
	# (twin) a little less to wish for is one round more
	tell 100000 30000 8000 7000
	succeeds -t 42 -D image --rounds auto --downtime 8999us --final --json
	ended_after 4 downtime
	[ "$(value '["ended"]["downtime_ns"]')" = 5000000 ]
	[ "$(value '["copies"][4]["consistent"]')" = True ]
	[ "$(value '["copies"][4].get("estimated_downtime_ns")')" = None ]
	# a whole one may be small enough
	tell 1000
	succeeds -t 42 -D image --rounds auto --downtime 1s
	grep -q '^ended after 1 round: what is left fits in 1000 ms; downtime estimated at 2000 us$' out
	grep -q "^to go on: mkdir -m 700 $T/image/2 && criu dump " out
	# (twin) a number of rounds tells nothing of that
	forget
	succeeds -t 42 -D image --rounds 2 --json
	[ "$(value '.get("ended", 1)')" = 1 ]
	[ "$(value '["copies"][1].get("dirty", 1)')" = 1 ]
}

@test "predump: --rounds auto ends when what is dirty no longer shrinks, twice in a row" {
	fakes
	# the third repeats the second
	tell 100000 50000 52000 20000 19000 17100 10
	succeeds -t 42 -D image --rounds auto --json
	ended_after 6 not-shrinking
	[ "$(value '["failed"]')" = None ]
	# (twin) one that is smaller by more than a tenth goes on
	tell 100000 50000 52000 20000 19000 17099 17000 17000 10
	succeeds -t 42 -D image --rounds auto --json
	ended_after 8 not-shrinking
	# what swings does not shrink
	tell 100000 60000 100000 60000 100000 60000
	succeeds -t 42 -D image --rounds auto --downtime 20ms --final
	grep -qx 'ended after 4 rounds: what is left no longer shrinks; downtime estimated at 61 ms, measured 1000 us' out
	[ -d image/5 ]
	# all of it, always
	tell 1000 1000 1000 1000
	succeeds -t 42 -D image --rounds auto --json
	ended_after 3 not-shrinking
}

@test "predump: --rounds auto ends behind the round in which --max-time is reached" {
	fakes
	tell 100000 50000 20000 10000 5000 2000
	echo 1 >sleep.memread
	succeeds -t 42 -D image --rounds auto --max-time 1.5s --json
	ended_after 2 max-time
	tell 100000 50000 20000 10000 5000 2000
	succeeds -t 42 -D image --rounds auto --max-time 1ms --final
	grep -qx 'ended after 1 round: 1000 us are over; downtime estimated at 101 ms, measured 1000 us' out
	[ "$(ls image)" = $'1\n2' ]
	# (twin) enough time
	rm sleep.memread
	tell 100000 50000 20000 10000 5000 2000
	succeeds -t 42 -D image --rounds auto --max-time 1h --downtime 3ms --json
	ended_after 6 downtime
}

@test "predump: --rounds auto makes 99 rounds at most, and the final one" {
	local i pages=()
	fakes
	for i in {1..100}; do
		pages[i - 1]=$(awk -v i="$i" 'BEGIN { printf "%d", 1e9 * 0.85 ^ i }')
	done
	tell "${pages[@]}"
	succeeds -t 42 -D image --rounds auto --final --json
	ended_after 99 max-rounds
	[ -d image/100 ]
	[ "$(value '["copies"][99]["consistent"]')" = True ]
}

@test "predump: of --rounds auto, those before a failure stay; it may be the final one" {
	fakes
	tell 100000 50000 20000 10000
	echo 111 >code.memread.3
	echo 2 >code.imgwrite.3
	fails 111 -t 42 -D image --rounds auto --downtime 1ms --final --json
	grep -qx 'predump: image/3: memread ended with 111; image/1 to image/2 are whole' errors
	[ "$(value '["ended"]')" = None ]
	[ "$(value '["copies"][1]["dirty"]')" = 50000 ]
	[ "$(value '["failed"]["stage"]')" = memread ]
	[ "$(wc -l <calls.freeze)" = 3 ]
	[ ! -e tracked ]

	tell 100000 50000 20000 10000
	fails 111 -t 42 -D image --rounds auto --downtime 51ms --final --json
	ended_after 2 downtime
	[ "$(value '["ended"]["downtime_ns"]')" = None ]
	grep -q '^predump: image/3: memread ' errors
	# (twin) nothing fails
	rm code.*
	tell 100000 50000 20000 10000
	succeeds -t 42 -D image --rounds auto --downtime 51ms --final --json
	# a signal ends the tracker, too, and begins its own line
	tell 100000 50000 20000 10000
	echo 10 >sleep.imgwrite
	drive -t 42 -D image --rounds auto --progress
	wait_for 5 test -s calls.imgwrite
	kill -TERM "$DRIVER"
	ended
	[ "$CODE" = 143 ]
	[ ! -e tracked ]
	[ "$(tail -c 1 errors | od -An -tx1)" = ' 0a' ]
	rm sleep.imgwrite
	# no tracker, no rounds
	tell 100000
	touch cannot
	fails 111 -t 42 -D image --rounds auto
	grep -q '^predump: memtrack ended with 111: .*; --rounds auto needs them$' errors
	[ ! -e image ]
	# a directory that might be one of these rounds
	rm cannot
	mkdir -p image/57
	touch image/57/mine
	fails 100 -t 42 -D image --rounds auto
	grep -q '^predump: image/57 is there already' errors
	[ ! -e calls.freeze ]
}

@test "predump: --rounds auto shows a line of its own, in the place of memread's" {
	fakes
	tell 100000 30000 8000
	succeeds -t 42 -D image --rounds auto --downtime 10ms --final --progress
	called memread 'memread <-q>' 'memread <-q>' 'memread <-q>' 'memread <-q>'
	printf '\r%s \033[K' 'round 1' \
		'round 1: 100000 dirty pages (390.6 MiB), 3686 MB/s, downtime about 101 ms' \
		'round 2: 30000 dirty pages (117.2 MiB), 3686 MB/s, downtime about 31 ms' \
		'round 3: 8000 dirty pages (31.2 MiB), 3686 MB/s, downtime about 9000 us' >line
	echo >>line
	cmp line errors
	# a failure begins its own line
	tell 100000 30000
	echo 1 >code.freeze.2
	echo 2 >code.imgwrite.2
	fails 1 -t 42 -D image --rounds auto --progress
	grep -qx 'predump: image/2: freeze ended with 1; image/1 is whole' errors
	rm code.*
	# on a terminal by itself
	tell 100000 30000 8000
	script -qec "$PREDUMP -t 42 -D image --rounds auto --downtime 10ms" typed </dev/null >/dev/null
	grep -q $'\rround 2: 30000 dirty pages ' typed
	# with -v a line each, and memread draws its own
	tell 100000 30000 8000
	succeeds -t 42 -D image --rounds auto --downtime 10ms --progress -v
	[ "$(grep -c '^round [123]: .* dirty pages ' errors)" = 3 ]
	called memread 'memread <-v> <--progress>' 'memread <-v> <--progress>' 'memread <-v> <--progress>'
	# (twin) neither there nor with -q
	tell 100000 30000 8000
	succeeds -t 42 -D image --rounds auto --downtime 10ms
	[ ! -s errors ]
	called memread memread memread memread
	tell 100000 30000 8000
	succeeds -t 42 -D image --rounds auto --downtime 10ms --progress -q
	[ ! -s errors ]
	[ ! -s out ]
}

@test "predump: --rounds auto of a kernel that tracks ends, with what the target holds" {
	victim anon=64M
	memtrack --daemon "$VICTIM" 2>errors || skip 'this kernel tracks no writes'
	memtrack --stop "$VICTIM"
	succeeds -t "$VICTIM" -D image --rounds auto --final --leave-stopped --json
	[ "$(value '["ended"]["reason"]')" = not-shrinking ]
	[ "$(value '["ended"]["rounds"]')" -ge 3 ]
	[ "$(value '["copies"][1]["dirty"]')" -lt 1000 ]
	imgcmp "$VICTIM" "image/$(value '["ended"]["rounds"]+1')"
	kill -CONT "$VICTIM"
	# (twin) with time enough to stop for all of it, one round is
	rm -r image
	succeeds -t "$VICTIM" -D image --rounds auto --downtime 20s --json
	[ "$(value '["ended"]["reason"]')" = downtime ]
	[ "$(value '["ended"]["rounds"]')" = 1 ]
}

@test "predump: --leave-stopped leaves the target as it was copied" {
	victim anon=4M spin=2 children=1
	succeeds -t "$VICTIM" -D image --rounds 1 --final --leave-stopped --track none
	wait_for 10 stands_still "$VICTIM" # each thread when its turn comes
	imgcmp "$VICTIM" image/2
	for pid in "$VICTIM" $(pgrep -P "$VICTIM"); do
		wait_for 10 stands_still "$pid"
		kill -CONT "$pid"
	done
	# (twin) the first round, made while it ran, is another
	stand_still "$VICTIM"
	not imgcmp "$VICTIM" image/1
	kill -CONT "$VICTIM"
	wait_for 5 runs "$VICTIM"

	# a copy that fails behind the release lets run what it has stopped
	stand_still "$(pgrep -P "$VICTIM")"
	tools
	printf '#!/bin/sh\n"%s" "$@"\nexit 111\n' "$ROOT/bin/imgwrite" >tools/imgwrite
	fails 111 -t "$VICTIM" -D other --final --leave-stopped
	wait_for 5 runs "$VICTIM"
	stands_still "$(pgrep -P "$VICTIM")"
}

@test "predump: runs without standard input, under nohup, and with SIGCHLD ignored" {
	victim anon
	stand_still "$VICTIM"
	predump -t "$VICTIM" -D one <&- >out 2>errors
	predump -t "$VICTIM" -D two <&- >&- 2>&-
	nohup predump -t "$VICTIM" -D three >out 2>errors
	(trap '' CHLD && predump -t "$VICTIM" -D four >out 2>errors)
	for dir in one two three four; do
		imgcmp "$VICTIM" "$dir"
	done
	# a summary that cannot be written is said, and the copy is there
	not predump -t "$VICTIM" -D five >/dev/full 2>errors
	grep -q '^predump: cannot write the summary; the copies are made: No space' errors
	imgcmp "$VICTIM" five
}
