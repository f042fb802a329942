#!/usr/bin/env bats
# What a tool has given up before it reads what others have made, and links
# that were planted where it works.

load helpers/lib

setup() { lib_setup; }
teardown() { lib_teardown; }

# beside: an `outside`, and DIR with an `inside` and links to what is outside.
beside() {
	rm -rf beside
	mkdir -p beside/DIR
	echo secret >beside/outside
	echo own >beside/DIR/inside
	ln -s ../outside beside/DIR/link
	ln -s .. beside/DIR/linkdir
}

# attempts TOOL [RULE]: what came of each, in `tried`; it ends by its own SIGTERM.
attempts() {
	local code=0
	beside
	(cd beside && exec timeout 20 confined "$1" DIR "${@:2}") </dev/null >tried 2>errors || code=$?
	[ "$code" = 143 ] || { echo "confined $* ends with $code: $(cat errors)"; false; }
}

# This kernel has both; where it has not, there is nothing to test.
can_confine() {
	grep -q '^privileges 1 ' tried
	grep -q ' calls 1 ' tried || skip "no seccomp here"
	grep -q ' paths 1$' tried || skip "no landlock here"
}

@test "confine: files, sockets, programs, other processes: each is refused, to each tool" {
	unchecked 'a sanitizer makes calls of its own, which are let through'
	local tool
	for tool in framedump imgwrite imgread pageserve lazyserve; do
		attempts "$tool"
		can_confine
		not grep -v ': refused$' <(sed '/^privileges/d; /^a file in DIR: done$/d; /^a thread: done$/d' tried)
		[ "$(grep -c ': refused$' tried)" -gt 35 ]
		[ "$(ls beside)" = $'DIR\noutside' ]
		[ "$(cat beside/outside)" = secret ]
		[ "$(ls beside/DIR)" = $'inside\nlink\nlinkdir' ]
	done
	attempts imgwrite
	grep -qx 'a file in DIR: done' tried
	grep -qx 'a thread: done' tried
}

@test "confine: (twin) each rule that is taken away is found" {
	unchecked 'a sanitizer makes calls of its own, which are let through'
	local rule
	attempts imgwrite
	can_confine
	# (clone3 is answered as if there were none, so that glibc does without)
	sed -n 's/^\([a-z0-9_]*\): .*: refused$/\1/p' tried | sort -u | grep -vx clone3 >rules
	[ "$(wc -l <rules)" -gt 40 ]
	while read -r rule; do
		attempts imgwrite "$rule"
		grep -q "^$rule: .*: done\$" tried || { echo "without $rule nothing is found"; false; }
		not grep -v "^$rule: " <(grep ': done$' tried | grep -v '^a ')
	done <rules
	# of the paths each by itself
	attempts imgwrite landlock
	not grep '^landlock: .*: refused$' tried
	[ "$(grep -c '^landlock: .*: done$' tried)" = 10 ]
}

# is_confined PID: seccomp's filter and no_new_privs, in all its threads.
is_confined() {
	[ "$(cat /proc/"$1"/task/*/status | grep -cE '^(Seccomp:	2|NoNewPrivs:	1)$')" -ge 2 ]
}


@test "confine: imgwrite, framedump, imgread, makelazy, pageserve, lazyserve run confined" {
	local tool
	attempts imgwrite
	can_confine
	mkfifo fifo
	exec {HELD}<>fifo
	for tool in "imgwrite copy" framedump makelazy; do
		# shellcheck disable=SC2086
		$tool <fifo >out 2>errors 3>&- &
		VICTIMS+=("$!")
		wait_for 5 is_confined "$!"
		kill "$!"
	done
	images.py make DIR <<<$'pagemap 7 1\nentry 0x10000 3 present,lazy'
	pageserve DIR >ready 2>errors 3>&- &
	VICTIMS+=("$!")
	wait_for 5 is_confined "$!"
	lazyserve DIR >said 2>errors </dev/null 3>&- &
	VICTIMS+=("$!")
	wait_for 5 is_confined "$!"
	# (twin) one that is not is seen
	sleep 100 3>&- &
	VICTIMS+=("$!")
	not is_confined "$!"
}

@test "confine: -v says how far, and nothing is said without it" {
	attempts imgwrite
	can_confine
	victim anon
	stages "freeze $VICTIM" vmalist memread "tee stream" "imgwrite -v copy"
	grep -qx 'imgwrite: confined: system calls by seccomp, paths by landlock' errors
	for tool in "framedump -t" "makelazy" "imgwrite other"; do
		$tool <stream 2>said >out
		not grep confined said
	done
	for tool in "framedump -vt" "makelazy -v"; do
		$tool <stream 2>&1 >out | grep -q ': confined: system calls by seccomp'
	done
	imgread -v copy 2>&1 >out | grep -q ': confined: .* by landlock'
}

@test "confine: where seccomp and landlock are refused, the tools work and say so" {
	victim anon
	stages "freeze $VICTIM" vmalist memread "cat >stream"
	# as a container would: strace answers for the kernel
	strace -f -qq -o /dev/null -e inject=landlock_create_ruleset:error=ENOSYS \
		-e inject=seccomp:error=EINVAL imgwrite -v copy <stream 2>errors
	grep -q 'system calls not: no seccomp here, paths not: no landlock here' errors
	imgread copy >out
}

# --- links that somebody has planted ---

one_task() { printf 'pagemap 7 1\nentry 0x10000 3 present,lazy\n' | images.py make "$1"; }

@test "confine: imgread and lazyserve follow no link to a file, whichever it is" {
	local file code
	mkdir away
	for file in pagemap-7.img pages-1.img inventory.img; do
		rm -rf DIR
		one_task DIR
		mv "DIR/$file" away
		ln -s "../away/$file" DIR
		code=0
		imgread DIR >out 2>errors || code=$?
		[ "$code" = 2 ]
		[ "$(wc -l <errors)" = 1 ]
		grep -q "DIR/$file: " errors
		[ ! -s out ]
		[ "$file" = inventory.img ] && continue # which says nothing to a server
		code=0
		lazyserve --check DIR 2>errors || code=$?
		[ "$code" = 2 ]
		grep -q "DIR/$file: " errors
		# (twin) the file itself is taken
		rm "DIR/$file"
		mv "away/$file" DIR
		imgread DIR >out
		lazyserve --check DIR
	done
}

@test "confine: a pagepipe.head that is a link, or a fifo, is not read" {
	local code
	victim anon
	stages "freeze $VICTIM" vmalist memread "tee stream" "imgwrite one"
	mv one/pagepipe.head away
	ln -s ../away one/pagepipe.head
	code=0
	imgread one >out 2>errors || code=$?
	[ "$code" = 2 ]
	grep -q 'one/pagepipe.head: is no file' errors
	code=0
	imgwrite --parent ../one two <stream 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'the parent ../one: pagepipe.head' errors
	rm one/pagepipe.head
	mkfifo one/pagepipe.head
	for tool in "imgread one" "imgwrite --parent ../one two"; do
		code=0
		# shellcheck disable=SC2086
		timeout 10 $tool <stream >out 2>errors || code=$?
		[[ "$code" = 2 || "$code" = 100 ]]
	done
	[ ! -e two ]
}

@test "confine: pageserve sends nothing that a link leads to" {
	mkdir away
	one_task DIR
	mv DIR/pages-1.img away
	ln -s ../away/pages-1.img DIR
	printf 'get 7 0x10000 1\n' >lines
	code=0
	xfer.py pack 24 <lines | timeout 20 pageserve --stdio DIR >answered 2>errors || code=$?
	[ "$code" = 2 ]
	grep -q 'DIR/pages-1.img: is no file' errors
	[ "$(stat -c %s answered)" -lt 4096 ]
	# (twin) without the link it does
	rm DIR/pages-1.img
	mv away/pages-1.img DIR
	xfer.py pack 24 <lines | timeout 20 pageserve --stdio DIR >answered 2>errors || :
	[ "$(stat -c %s answered)" -ge 4096 ]
}

@test "confine: imgwrite neither writes through links nor removes what they lead to" {
	local code
	victim anon
	stages "freeze $VICTIM" vmalist memread "cat >stream"
	mkdir -m 1700 away
	echo precious >away/pages-1.img
	# DIR itself
	ln -s away copy
	code=0
	imgwrite --force copy <stream 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q 'copy: is not a directory' errors
	rm copy
	# what looks like the leftover of a run that is dead
	ln -s away .copy.aaaaaa
	imgwrite copy <stream
	[ -L .copy.aaaaaa ]
	# a file of DIR, replaced; and in place
	for dir in copy .; do
		rm -rf here
		mkdir -p here/copy
		ln -s ../../away/pages-1.img "here/$dir/pages-1.img"
		ln -s ../../away "here/$dir/parent"
		[ "$dir" = . ] && rm -r here/copy && ln -sf ../away/pages-1.img here/
		(cd here && imgwrite --force "$dir" <../stream)
		[ ! -L "here/$dir/pages-1.img" ]
		[ ! -L "here/$dir/parent" ]
		imgread "here/$dir" >out
	done
	[ "$(cat away/pages-1.img)" = precious ]
	[ "$(ls -A away)" = pages-1.img ]
}
