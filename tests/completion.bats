#!/usr/bin/env bats
# Completion in bash, by the function that bash calls at a TAB.

load helpers/lib

setup() {
	lib_setup
	# as installed: under the name of each tool
	mkdir installed
	for tool in "$BIN"/*; do
		ln -s "$ROOT/completion/pagepipe.bash" "installed/${tool##*/}"
		# shellcheck disable=SC1090 # it is always the same
		. "installed/${tool##*/}"
	done
	rm -r installed
}

teardown() { lib_teardown; }

# bash allows it during a completion only
compopt() { :; }

# offered WORD...: what a TAB behind that line offers, sorted, in one line.
offered() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_pagepipe "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' '
}

# lacks TOOL OFFERED: an option of its --help is not offered.
lacks() {
	local option
	for option in $("$1" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z-]+' | tr -d ,); do
		[[ " $2 " == *" $option "* ]] || return 0
	done
	return 1
}

@test "completion: freeze --ma<TAB>" {
	[ "$(offered freeze --ma)" = --max-stop ]
	[ "$(offered freeze --no-such)" = '' ]
}

@test "completion: every option in the --help of every tool" {
	local tool all
	for tool in "$BIN"/*; do
		tool=${tool##*/}
		complete -p "$tool" | grep -q -- '-F _pagepipe'
		all=$(offered "$tool" -)
		[[ " $all " == *' -h '* ]]
		not lacks "$tool" "$all"
		# (twin) one that is not offered
		lacks "$tool" "${all/--help/}"
	done
}

@test "completion: the values that --help names" {
	local value
	[ "$(offered memread --method '')" = 'auto mem readv' ]
	[ "$(offered memread --method =)" = 'auto mem readv' ]
	[ "$(offered memread --method = r)" = readv ]
	[ "$(offered vmalist --track '')" = 'auto none soft-dirty uffd' ]
	[ "$(offered memtrack --track s)" = soft-dirty ]
	[ "$(offered predump --compress '')" = 'lz4 zstd' ]
	# they are what the tool takes: no 100
	for value in $(offered memread --method ''); do
		code=0
		memread --method "$value" </dev/null 2>errors || code=$?
		[ "$code" = 2 ]
	done
	# (twin) one that it does not take
	code=0
	memread --method no-such </dev/null 2>errors || code=$?
	[ "$code" = 100 ]
}

@test "completion: pids for freeze, memtrack and predump" {
	[[ " $(offered freeze '') " == *" $$ "* ]]
	[[ " $(offered freeze --one 1 '') " == *" $$ "* ]]
	[[ " $(offered memtrack --status '') " == *" $$ "* ]]
	[[ " $(offered predump --tree '') " == *" $$ "* ]]
	[[ " $(offered predump -t '') " == *" $$ "* ]]
	[ "$(offered freeze --wait '')" = '' ]
}

@test "completion: directories and files, and none for what is relative to another" {
	mkdir 'image one' other
	touch file
	[ "$(offered imgwrite '')" = 'image one other' ]
	[ "$(offered imgread i)" = 'image one' ]
	[ "$(offered predump -D o)" = other ]
	[ "$(offered memtrack --adopt '')" = 'image one other' ]
	[ "$(offered vmalist --base '')" = 'image one other' ]
	[ "$(offered predump --output f)" = file ]
	[ "$(offered framedump '<' f)" = file ]
	[ "$(offered imgwrite --parent o)" = '' ]
	[ "$(offered framedump o)" = '' ]
}

@test "completion: nothing, and no error, for a tool that is not there" {
	[ "$(offered ./no-such-tool '' 2>&1)" = '' ]
	[ "$(offered ./no-such-tool - 2>&1)" = '' ]
}
