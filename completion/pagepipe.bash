# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Completion for bash, one for all tools. `make install` links the name of each
# tool to this file, and bash-completion loads it by that name. What a tool
# takes is read from its own --help:
#
#   Usage: freeze [OPTION]... PID...     the last word: its operands
#     -t, --tree PID             ...     an option, and the word for its value
#         --method METHOD        auto, readv or mem

# Reads a --help into operand, word[OPTION] and text[OPTION], the caller's.
_pagepipe_read() {
	local line option options=()
	local row='^ +((-[[:alpha:]]), )?(--[[:lower:]][[:lower:]-]*)( ([[:upper:]][[:upper:][:digit:]|]*|[[:alnum:]]+\|[[:alnum:]|]+))?( +(.*))?$'
	while IFS= read -r line; do
		if [[ $line =~ $row ]]; then
			options=("${BASH_REMATCH[3]}" ${BASH_REMATCH[2]:+"${BASH_REMATCH[2]}"})
			for option in "${options[@]}"; do
				word[$option]=${BASH_REMATCH[5]}
				text[$option]=${BASH_REMATCH[7]}
			done
		elif [[ $line == '        '* ]]; then	# a row goes on
			for option in "${options[@]}"; do text[$option]+=" $line"; done
		elif [[ $line == Usage:* ]]; then
			operand=${line##* }
			options=()
		fi
	done
}

# Puts into COMPREPLY what may stand for a word of --help. $2 is its text.
# Nothing for a PATH, which is relative to a directory of the tool.
_pagepipe_value() {
	case $1 in
	PID*) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$current") ;;
	DIR* | *'|DIR')
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
	FILE)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	METHOD)	# "the stream: zstd (with a remark), lz4 or xz"
		set -- "$(sed 's/([^)]*)//g; s/.*: //; s/,/ /g; s/ or / /g' <<<"$2")"
		mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current") ;;
	*'|'*) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$current") ;;
	esac
}

# Called by bash: the tool, the word to complete, and the one before.
_pagepipe() {
	local tool=$1 current=$2 previous=${3:--} operand=
	local -A word=() text=()
	if [ "$current" = '=' ]; then	# --option=
		current=
	elif [ "$previous" = '=' ]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	_pagepipe_read < <("$tool" --help 2>/dev/null </dev/null)
	if [[ $previous == *[\<\>] ]]; then
		_pagepipe_value FILE ''
	elif [ -n "${word[$previous]-}" ]; then
		_pagepipe_value "${word[$previous]}" "${text[$previous]}"
	elif [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${!word[*]}" -- "$current")
	else
		_pagepipe_value "$operand" ''
	fi
}

complete -F _pagepipe "${BASH_SOURCE[0]##*/}"
