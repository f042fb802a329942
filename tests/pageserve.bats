#!/usr/bin/env bats
# pageserve: what clients send becomes a directory, whole or not at all; what
# they ask for comes out of one; and no client can harm it.

load helpers/lib
load helpers/criu
load helpers/images

setup_file() { "$BATS_TEST_DIRNAME/vm/made" trixie tree </dev/null >/dev/null 3>&- 4>&- || :; }

setup() { lib_setup; }
teardown() { lib_teardown; }

# Of all that there is; and one that builds on it.
make_one() {
	make "$1" 'pagemap 7 1' 'entry 0x10000 3 present' 'entry 0x20000 5 present,lazy new 2' \
		'pagemap 9 2' 'entry 0x10000 1 present both 3' \
		'pagemap shmem-260 3' 'entry 0 2 present both 4'
}
make_two() {
	make "$1" "parent $2" 'pagemap 7 1' 'entry 0x10000 2 parent' 'entry 0x12000 1 present both 2' \
		'entry 0x20000 5 parent' 'pagemap 9 2' 'entry 0x10000 1 parent'
}

# say FORM LINE...: messages (helpers/xfer.py).
say() {
	printf '%s\n' "${@:2}" | xfer.py pack "$1"
}

# takes DIR [OPTION...]: a session from stdin; answered, errors. And ended CODE.
takes() {
	local code=0
	timeout 20 pageserve --stdio "${@:2}" "$1" >answered 2>errors || code=$?
	echo "$code" >code
}
ended() { [ "$(cat code)" = "$1" ]; }

# same_pages FROM TO: with the same flags
same_pages() {
	images.py pages "$1" >pages.1
	[ -s pages.1 ]
	images.py pages "$2" | diff pages.1 -
}

# leaves_nothing DIR: it is not there, and nothing of it beside it.
leaves_nothing() {
	[ ! -e "$1" ]
	not compgen -G '.*pagepipe*'
}

@test "pageserve: what is sent is what it keeps, in both protocols" {
	local form
	make_one one
	for form in 24 32; do
		xfer.py send $form one >session
		takes "kept$form" <session
		ended 0
		same_pages one "kept$form"
		imgread "kept$form" >/dev/null
		# has_parent is 0 for each of three images, and so is the status
		[ "$(xxd -p answered)" = 00000000000000 ]
		grep -q "received 3 images, 11 pages .*, 0 left to the parent: kept in kept$form" errors
		[ -e "kept$form/pages-65537.img" ]
	done
	# (twin) a byte that is another is found
	printf x | dd of=session bs=1 seek=5000 conv=notrunc status=none
	takes other <session
	ended 0
	not same_pages one other
}

@test "pageserve: the parent's pages are left to it, and each must be there" {
	local form
	make_one one
	make_two two ../one
	for form in 24 32; do
		xfer.py send $form two >session
		takes "kept$form" --prev-images-dir ../one <session
		ended 0
		[ "$(readlink "kept$form/parent")" = ../one ]
		same_pages two "kept$form"
		imgread --flatten "kept$form" >/dev/null
		[ "$(xxd -p answered)" = 010100000000 ]
		grep -q ' 8 left to the parent' errors
	done
	takes kept --prev-images-dir ../two <session
	ended 0
	rm -r kept
	make thin 'pagemap 7 1' 'entry 0x10000 3 present' 'entry 0x20000 4 present' \
		'pagemap 9 2' 'entry 0x10000 1 present'
	takes kept --prev-images-dir ../thin <session
	ended 2
	grep -q 'pagemap-7.img: the page at 0x24000 is left to the parent, which does not hold it' errors
	leaves_nothing kept
	takes kept <session
	ended 2
	grep -q 'the page at 0x10000 is left to the parent, and there is none' errors
	leaves_nothing kept
	# a parent's own lazy page has no bytes
	make thin 'pagemap 7 1' 'entry 0x10000 3 lazy' 'entry 0x20000 5 present'
	takes kept --prev-images-dir ../thin <session
	ended 2
	grep -q 'the page at 0x10000 ' errors
}

@test "pageserve: a parent that is not one is found before anybody sends" {
	local code=0
	pageserve --once --prev-images-dir ../none DIR >out 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'cannot open the parent ../none' errors
	leaves_nothing DIR
	mkdir DIR
	code=0
	pageserve --once --prev-images-dir ../DIR DIR >out 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'a directory is not its own parent' errors
	ln -s ../other DIR/parent
	mkdir one
	code=0
	pageserve --once --prev-images-dir ../one DIR >out 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'DIR/parent is there already, and is ../other' errors
}

@test "pageserve: asked whether the parent has an image, it says so" {
	make_one one
	say 24 'parent 1 7' 'parent 1 8' 'parent 2 260' close |
		takes kept --prev-images-dir ../one
	ended 0
	[ "$(xxd -p answered)" = 01000000000000000100000000000000 ]
	leaves_nothing kept
}

@test "pageserve: what criu has put into DIR stays, images are never replaced" {
	make_one one
	make dir 'file core-7.img 1943'
	printf own >dir/inventory.img
	xfer.py send 24 one | takes dir
	ended 0
	[ "$(cat dir/inventory.img)" = own ]
	[ "$(xxd -p dir/core-7.img)" = 1943 ]
	same_pages one dir
	find dir -type f -printf '%p %s %T@\n' | sort >before
	say 24 'open2 1 7' close | takes dir
	ended 2
	grep -q 'dir has a pagemap-7.img already' errors
	say 24 'open2 1 11' 'add 1 11 0x1000 1 present' 'open2 1 11' close | takes dir
	ended 2
	grep -q 'pagemap-11.img is opened twice' errors
	find dir -type f -printf '%p %s %T@\n' | sort | diff before -
	# another process's goes there as well, with numbers of its own
	say 24 'open2 1 11' 'add 1 11 0x1000 1 present' close | takes dir
	ended 0
	[ -e dir/pages-65540.img ]
}

@test "pageserve: DIR/parent, as criu has made it, is the parent" {
	make_one one
	make_two two ../one
	mkdir dir
	ln -s ../one dir/parent
	xfer.py send 24 two | takes dir
	ended 0
	same_pages two dir
	mkdir loose
	ln -s ../gone loose/parent
	say 24 'parent 1 7' | takes loose
	ended 2
	grep -q 'loose/parent: No such file' errors
	[ "$(ls -A loose)" = parent ]
}

@test "pageserve: each cut of a session leaves nothing, and nothing that hangs" {
	local size n
	make small 'pagemap 7 1' 'entry 0x10000 1 present' 'entry 0x20000 1 present' \
		'pagemap 9 2' 'entry 0x10000 1 present'
	for form in 24 32; do
		xfer.py send $form small >session
		size=$(stat -c %s session)
		for ((n = 0; n < size; n += n % 4096 < 130 ? 3 : 401)); do
			head -c $n session | takes kept
			if [ "$n" = 0 ]; then ended 0; else ended 2; fi
			[ "$(wc -l <errors)" = 1 ]
			leaves_nothing kept || { echo "$n bytes of $form"; false; }
		done
		# of the longest CLOSE the last bytes say nothing
		for ((n = size - 4; n < size; n++)); do
			head -c $n session | takes kept
			[ "$form" = 32 ] || ended 2
			rm -rf kept
		done
		takes kept <session
		ended 0
		rm -r kept
	done
}

# bad WHAT LINE...: a session that is refused with that line alone; in one
# protocol and the other, by turns, or in those of $FORMS.
TURN=24
bad() {
	local form
	TURN=$((56 - TURN))
	for form in ${FORMS:-$TURN}; do
		say "$form" "${@:2}" | takes kept
		ended 2 || { echo "$form: $(cat code errors)"; return 1; }
		grep -qF -- "$1" errors || { cat errors; return 1; }
		[ "$(wc -l <errors)" = 1 ] || { cat errors; return 1; }
		leaves_nothing kept
	done
}

@test "pageserve: a client that lies is refused with one line" {
	local open='open2 1 7'
	bad 'a command that is not known: 99' 'bytes 6300000000000000000000000000000000000000010700000000000000000000'
	FORMS=24 bad 'a command that is not known: 17735 (is it criu?)' \
		"bytes $(printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | xxd -p -c 99)"
	bad 'an image of a kind that is not known' 'open2 3 7'
	bad 'an image of 0, which is no pid' 'open2 1 0'
	bad 'an image of 4294967297, which is no pid' 'open2 1 0x100000001'
	bad 'pages of an image that is not open' 'add 1 7 0x1000 1 present'
	bad 'pages of an image that is not open' "$open" 'add 1 8 0x1000 1 present'
	bad 'pages with flags 0, which' "$open" 'head 1 7 0x1000 1 0'
	bad 'pages with flags 2, which' "$open" 'head 1 7 0x1000 1 lazy'
	bad 'pages with flags 5, which' "$open" 'head 1 7 0x1000 1 parent,present'
	bad 'pages with flags 12, which' "$open" 'head 1 7 0x1000 1 12'
	bad 'pages at 0x1001, which is within' "$open" 'head 1 7 0x1001 1 present'
	bad '0 pages at 0x1000, which cannot be' "$open" 'head 1 7 0x1000 0 present'
	FORMS=32 bad '1099511627776 pages at 0x1000, which cannot be' "$open" \
		'head 1 7 0x1000 0x10000000000 present'
	bad 'pages at 0xfffffffffffff000, which cannot be' "$open" 'head 1 7 0xfffffffffffff000 2 present'
	bad 'come behind those up to 0x3000' "$open" 'add 1 7 0x2000 1 present' 'add 1 7 0x1000 1 present'
	bad 'come behind those up to 0x3000' "$open" 'add 1 7 0x2000 1 present' 'add 1 7 0x2000 1 present'
	bad 'left to the parent, and there is none' "$open" 'head 1 7 0x1000 0xffffffff parent'
	bad 'left to the parent, and there is none' "$open" 'old 2 1 7 0x1000 1'
	bad 'ended within a message' "$open" 'head 1 7 0x1000 0xffffffff present' "bytes $(printf %08000d 0)"
	bad 'ended without closing' "$open" 'add 1 7 0x1000 1 present'
	bad 'asks for 0 pages of pid 7 at 0x7f0000001000' 'get 7 0x7f0000001000 0'
	FORMS=32 bad 'asks for 1 pages of pid 7 at 0x7f0000001001' 'get 7 0x7f0000001001 1'
	bad 'asks for 2 pages of pid 7 at 0xfffffffffffff000' 'get 7 0xfffffffffffff000 2'
	bad 'asks for 1 pages of pid 4294967297' 'get 0x100000001 0x7f0000001000 1'
}

@test "pageserve: what is closed is kept, whatever the client does then" {
	say 24 'open2 1 7' 'add 1 7 0x1000 1 present' close "bytes $(printf %0200d 0)" | takes kept
	ended 2
	grep -q 'it goes on after closing its session$' errors
	[ "$(images.py pages kept | wc -l)" = 1 ]
}

@test "pageserve: an ADD of old is one, too" {
	say 24 'open 1 7' 'old 1 1 7 0x10000 3' close | takes kept
	ended 0
	[ "$(images.py pages kept | wc -l)" = 3 ]
	[ "$(xxd -p answered)" = 00000000 ]
}

# asks FORM DIR [N]: all pages of DIR, of its server, are what they should be.
asks() {
	images.py pages "$2" flatten | cut -d' ' -f1,2,4 | sort >want
	timeout 60 xfer.py ask "$1" "$PORT" "$2" "${@:3}" | sort >got
	[ -s want ]
	diff want got
}

@test "pageserve: any page is given out, of whichever parent, many at once" {
	make one 'pagemap 7 1' 'entry 0x10000 300 present' 'entry 0x800000 5 present both hole' \
		'entry 0x900000 2000 present both 4' 'pagemap 9 2' 'entry 0x10000 1 present both 3'
	make two 'parent ../one' 'pagemap 7 1' 'entry 0x10000 100 parent' \
		'entry 0x74000 10 present both 2' 'entry 0x7e000 150 parent' 'entry 0x800000 5 parent' \
		'entry 0x900000 2000 parent' 'pagemap 9 2' 'entry 0x10000 1 parent'
	make three 'parent ../two' 'pagemap 7 1' 'entry 0x10000 7 parent' 'entry 0x17000 3 present,lazy new 3' \
		'entry 0x1a000 240 parent' 'entry 0x800000 5 parent' 'entry 0x900000 2000 parent'
	listens three
	asks 24 three
	asks 32 three
	asks 24 three 1
	asks 32 three 2000
	grep -q 'served 2255 pages ' served
	# (twin) a page of a parent that is another is found
	printf x | dd of=one/pages-1.img bs=4096 seek=5 conv=notrunc status=none
	timeout 60 xfer.py ask 24 "$PORT" three | sort >got
	not diff want got
	kill -TERM "$SERVER"
	wait "$SERVER"
}

@test "pageserve: who asks for what is not here, or what no pagemap names, gets no page" {
	make one 'pagemap 7 1' 'entry 0x10000 2 present' 'entry 0x12000 1 lazy' 'entry 0x14000 1 present'
	for form in 24 32; do
		say $form 'get 7 0x10000 1' 'get 7 0x12000 1' 'get 7 0x10000 5' 'get 7 0x13000 2' \
			'get 8 0x10000 1' 'get 7 0x13000 1' 'get 7 0x900000 2000' 'get 7 0x14000 1' | takes one
		ended 0
		xfer.py answers $form <answered >shown
		cat >want <<-'END'
			7 0x10000 1 right
			7 0x12000 0 -
			7 0x10000 2 right
			7 0x13000 0 -
			8 0x10000 0 -
			7 0x13000 0 -
			7 0x900000 0 -
			7 0x14000 1 right
		END
		diff want shown
		grep -q ': it asks for the page at 0x12000 of pid 7, which is not here$' errors
		grep -q ': 5 times it has asked for what is not here$' errors
		[ "$(wc -l <errors)" = 3 ]
	done
}

@test "pageserve: a directory that is bad, or not whole, is not given out" {
	make one 'inventory none' 'pagemap 7 1' 'entry 0x10000 2 present'
	say 24 'get 7 0x10000 1' | takes one
	ended 2
	grep -q 'one: it is not whole' errors
	make one 'pagemap 7 1' 'entry 0x10000 2 present' 'cut 1'
	say 24 'get 7 0x10000 1' | takes one
	ended 2
	grep -q 'pages-1.img: ends at byte 8191' errors
	make one 'parent ../none' 'pagemap 7 1' 'entry 0x10000 2 parent'
	say 24 'get 7 0x10000 1' | takes one
	ended 2
	grep -q 'the page 0x10000 is to be in one/parent' errors
	[ ! -s answered ]
}

# Its address and its number of pages, or its pid, are all multiples of 4096.
@test "pageserve: the first message tells the protocol, or --protocol does" {
	make one 'pagemap 4096 1' 'entry 0x10000 2 present' 'pagemap 4194304 2' 'entry 0x10000 2 present' \
		'pagemap 7 3' 'entry 0x10000 2 present' 'entry 0x7f0000000000 2 present'
	for form in 24 32; do
		for question in '4096 0x10000 1' '4194304 0x10000 1' '7 0x7f0000000000 1' '7 0x7f0000000000 4096'; do
			say $form "get $question" | takes one
			ended 0
			xfer.py answers $form <answered >shown
			grep -q "^${question% *} " shown
		done
		say $form close | takes one
		[ "$(xxd -p answered)" = 00000000 ]
		# against the rule: 32 is taken for 24
		say $form 'get 4096 0x100000 4096' | takes one --protocol $form
		[ "$(xfer.py answers $form <answered)" = '4096 0x100000 0 -' ]
	done
	say 32 'open2 1 7' | takes kept --protocol 24
	ended 2
	grep -q 'a kind that is not known' errors
}

@test "pageserve: who is silent is left at last, and keeps nobody waiting" {
	local pids=()
	make_one one
	listens one --timeout 2s
	for text in '' 07 "$(say 24 'open2 1 20' 'head 1 20 0x1000 9 present' | xxd -p -c 99)"; do
		xfer.py quiet "$PORT" "$text" >"said.${#pids[@]}" 3>&- &
		pids+=($!)
		VICTIMS+=($!)
		wait_for 10 grep -q connected "said.$((${#pids[@]} - 1))"
	done
	rm one/pagemap-shmem*
	asks 24 one
	wait "${pids[@]}"
	grep -q 'it has said nothing at all$' served
	grep -q 'it says nothing for too long: what it sent is thrown away$' served
	[ "$(ls -A one)" = "$(ls one)" ]
	asks 32 one
}

@test "pageserve: who only asks may be silent for as long as he likes" {
	make_one one
	say 24 'get 7 0x10000 1' >first
	say 24 'get 7 0x11000 1' >second
	mkfifo in other
	timeout 30 pageserve --stdio --timeout 1s one <in >answered 2>errors 3>&- &
	SERVER=$!
	VICTIMS+=("$SERVER")
	exec 7>in
	cat first >&7
	wait_for 10 eval '[ "$(stat -c %s answered)" = 4120 ]'
	# as long as another needs to be left twice
	for _ in 1 2; do
		timeout 20 pageserve --stdio --timeout 1s one <other >/dev/null 2>errors.2 3>&- 7>&- &
		VICTIMS+=($!)
		exec 8>other
		not wait $!
		grep -q 'it has said nothing at all' errors.2
		exec 8>&-
	done
	cat second >&7
	wait_for 10 eval '[ "$(stat -c %s answered)" = 8240 ]'
	exec 7>&-
	wait "$SERVER"
}

@test "pageserve: two who send at once: the second is refused" {
	listens kept
	mkfifo go
	xfer.py quiet "$PORT" "$(say 24 'open2 1 7' | xxd -p -c 99)" >said 3>&- &
	VICTIMS+=($!)
	wait_for 10 eval 'ls -d kept/.pagepipe.*'
	xfer.py quiet "$PORT" "$(say 24 'open2 1 8' | xxd -p -c 99)" >said.2
	grep -q 'ended 0' said.2
	grep -q 'is sending already: one at a time$' served
	kill -TERM "$SERVER"
	wait "$SERVER"
	grep -q 'pageserve is to end: what it sent is thrown away' served
	leaves_nothing kept
}

@test "pageserve: a hundred thousand questions before the first answer is taken" {
	local peak
	make_one one
	listens one
	mkfifo go
	xfer.py flood 24 "$PORT" 100000 7 0x10000 <go >flooded 3>&- &
	VICTIMS+=($!)
	FLOOD=$!
	exec 7>go
	wait_for 20 grep -q '^sent ' flooded
	rm one/pagemap-shmem*
	asks 24 one
	echo >&7
	wait "$FLOOD"
	[ "$(sed -n 's/^sent //p' flooded)" = "$(sed -n 's/^got //p' flooded)" ]
	[ "$(sed -n 's/^sent //p' flooded)" -gt 1000 ]
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
	[ -n "${CHECKED:-}" ] || [ "$peak" -lt 50000 ]
}

@test "pageserve: --once ends with the first client, and with its fault" {
	local code=0
	make_one one
	listens one --once
	rm one/pagemap-shmem*
	asks 24 one
	wait "$SERVER"
	listens one --once
	xfer.py quiet "$PORT" 09 >said 3>&- &
	wait_for 10 grep -q connected said
	kill -KILL $!
	wait "$SERVER" || code=$?
	[ "$code" = 2 ]
	[ "$(wc -l <served)" = 1 ]
}

@test "pageserve: --address, --port, --status-fd, --daemon" {
	local code=0
	make_one one
	rm one/pagemap-shmem*
	listens one --address ::1
	not asks 24 one 2>/dev/null
	kill -TERM "$SERVER"
	wait "$SERVER"
	listens one --address localhost
	pageserve --port "$PORT" one >out 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q "cannot listen at 127.0.0.1, port $PORT: Address already in use" errors
	kill -TERM "$SERVER"
	wait "$SERVER"
	pageserve --daemon --once --status-fd 7 one 7>status >ready 3>&-
	PORT=$(sed 's/.* port //' ready)
	[ "$(xxd -p status)" = 00 ]
	asks 24 one
	code=0
	pageserve --address no.such.host.invalid one >out 2>errors || code=$?
	[ "$code" = 111 ]
	[ "$(wc -l <errors)" = 1 ]
}

@test "pageserve: --ps-socket speaks on what it has inherited" {
	make_one one
	python3 - <<-'END'
		import socket, subprocess, sys
		sys.path.insert(0, sys.path[0])
		ours, theirs = socket.socketpair()
		server = subprocess.Popen(['pageserve', '--ps-socket', str(theirs.fileno()), 'one'],
		                          pass_fds=[theirs.fileno()], stderr=open('served', 'w'))
		theirs.close()
		ours.settimeout(20)
		pack = subprocess.run(['xfer.py', 'pack', '32'], input=b'get 7 0x10000 3\nforce_close\n',
		                      stdout=subprocess.PIPE).stdout
		ours.sendall(pack)
		data = b''
		while len(data) < 32 + 3 * 4096 + 4:
		    data += ours.recv(1 << 20)
		assert data[-4:] == bytes(4) and server.wait(20) == 0
	END
	grep -q 'served 3 pages' served
}

@test "pageserve: a disk that is full is a status that is not 0, and leaves nothing" {
	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || skip 'needs root, for a mount'
	make one 'pagemap 7 1' 'entry 0x10000 300 present'
	xfer.py send 24 one >session
	mkdir small
	unshare -m bash -c '
		mount -t tmpfs -o size=512k none small || exit
		pageserve --stdio small <session >answered 2>errors
		[ "$?" = 2 ] || exit
		[ -z "$(ls -A small)" ]'
	grep -q 'cannot write in small: No space left on device: what it sent is thrown away' errors
}

@test "pageserve: criu dumps to it, and restores what it has kept" {
	restores sent_apart
}

@test "pageserve: (twin) a byte that it has kept wrong is found by the restored process" {
	not restores fault_sent
	grep -q 'the restored victim says: error 1 ' errors
}

@test "pageserve: criu and it write into one directory" {
	restores sent_together
}

@test "pageserve: criu dumps to it on top of a round of ours" {
	restores sent_round
}

@test "pageserve: killed while criu sends, it leaves nothing that looks whole" {
	restores sent_in_vain
}

@test "pageserve: killed while criu writes into one directory with it, that does not look whole either" {
	restores sent_together_in_vain
}

@test "pageserve: without space while criu sends, it says so, and criu fails" {
	restores sent_too_much
}

@test "pageserve: criu lazy-pages restores from it" {
	restores asked
}

@test "pageserve: criu lazy-pages restores from it what criu has sent to it" {
	restores asked_of_sent
}

@test "pageserve: (twin) a byte that it gives out wrong is found by the restored process" {
	not restores fault_asked
	grep -q 'the restored victim says: error 1 ' errors
}
