#!/usr/bin/env bats
# The image room: what it reads of the files in which CRIU has the mappings and
# threads of a process. (Pagemaps: imgread.bats.)

load helpers/lib
load helpers/criu
load helpers/images

setup() { lib_setup; }
teardown() { lib_teardown; }

# shows TEXT: that is what is read of process 7.
shows() { mmshow d 7 | diff <(echo "$1") -; }

# refused MESSAGE: with that, and nothing else.
refused() {
	local code=0
	timeout 20 mmshow d 7 >out 2>errors || code=$?
	[ "$code: $(cat errors)" = "1: mmshow: $1" ] || { echo "$code: $(cat errors)"; return 1; }
}

TREE=('pstree 7 7 8' 'core 7 0x7ffd0668' 'core 8 none')
MM=('mm 7' 'vma 0x1000 0x3000 5 0x2 0x41' 'vma 0x3000 0x8000 3 0x22 0x201')

@test "mm image: which mappings criu restores lazily follows from their flags" {
	# private and anonymous; locked, huge, shared, a file, vdso, vsyscall, vvar
	make d "${TREE[@]}" 'mm 7' 'vma 0x1000 0x2000 3 0x22 0x201' 'vma 0x2000 0x3000 0 0x122 0x201' \
		'vma 0x4000 0x5000 3 0x2022 0x201' 'vma 0x5000 0x6000 3 0x40022 0x201' \
		'vma 0x6000 0x7000 3 0x21 0x101' 'vma 0x7000 0x8000 1 0x2 0x41' \
		'vma 0x8000 0x9000 5 0x22 0x209' 'vma 0x9000 0xa000 1 0x22 0x1201' \
		'vma 0xa000 0xb000 3 0x20 0x201' 'vma 0xffffffffff600000 0xffffffffff601000 4 0x22 0x204'
	shows '1000 2000 3 22 201 lazy
2000 3000 0 122 201 lazy
4000 5000 3 2022 201 present
5000 6000 3 40022 201 present
6000 7000 3 21 101 present
7000 8000 1 2 41 present
8000 9000 5 22 209 present
9000 a000 1 22 1201 present
a000 b000 3 20 201 present
ffffffffff600000 ffffffffff601000 4 22 204 present
thread 7 7ffd0668
thread 8 -'
	# criu 4.2 has guard regions behind all mappings
	make d "${TREE[@]}" "${MM[@]}" 'vma 0x1000 0x2000 0 0 0x10000'
	shows '1000 3000 5 2 41 present
3000 8000 3 22 201 lazy
thread 7 7ffd0668
thread 8 -'
}

@test "core image: the stack pointers of both machines" {
	make d 'mm 7' 'pstree 9 9' 'pstree 7 7 10 8' 'core 7 0x7ffd0668' 'core 8 0xfffff000 aarch64' 'core 10 0x1'
	shows 'thread 7 7ffd0668
thread 10 1
thread 8 fffff000'
	make d 'mm 7' "${TREE[@]}" 'core 8 5 s390'
	refused 'core: it is of a machine that is not known'
}

@test "mm image: mappings that do not ascend, overlap or are none are refused" {
	local vma
	for vma in '0x2000 0x4000' '0x1000 0x2000' '0x0 0x1000'; do
		make d "${TREE[@]}" 'mm 7' 'vma 0x1000 0x3000 5 0x2 0x41' "vma $vma 5 0x2 0x41"
		refused 'mm: mappings that do not ascend'
	done
	make d "${TREE[@]}" 'mm 7' 'vma 0x1000 0x1000 5 0x2 0x41'
	refused 'mm: a mapping that ends before it begins'
	make d "${TREE[@]}" 'mm 7' 'vma 0x3000 0x1000 5 0x2 0x41'
	refused 'mm: a mapping that ends before it begins'
	for vma in '0x1001 0x2000' '0x1000 0x2010'; do
		make d "${TREE[@]}" 'mm 7' "vma $vma 5 0x2 0x41"
		refused 'mm: a mapping that begins or ends within a page'
	done
}

@test "pstree image: a process that is there twice, or cannot be one, is refused" {
	make d "${MM[@]}" "${TREE[@]}" 'pstree 5 5' 'pstree 7 7'
	refused 'pstree: a process that is there twice'
	make d "${MM[@]}" "${TREE[@]}" 'pstree 0 5'
	refused 'pstree: a number that no process can have'
	make d "${MM[@]}" "${TREE[@]}" 'pstree 2147483648 5'
	refused 'pstree: a number that no process can have'
	make d "${MM[@]}" "${TREE[@]}" 'pstree 9 0'
	refused 'pstree: a number that no thread can have'
}

# What a name stands for in a file's contents.
kind() { sed 's,d/,,; s,[-.].*,,' <<<"$1"; }

@test "mm, core and pstree image: each cut, garbage and a long tail are refused" {
	local file size n
	make d "${MM[@]}" "${TREE[@]}"
	for file in d/mm-7.img d/core-7.img d/pstree.img; do
		cp "$file" kept
		size=$(stat -c %s kept)
		for ((n = 0; n < size; n++)); do
			head -c "$n" kept >"$file"
			# (shorter by whole processes it is a tree still)
			[ "$n" != 8 ] || [ "$file" != d/pstree.img ] || continue
			not mmshow d 7 >out 2>errors || { echo "$file cut at $n"; false; }
			[[ $(cat errors) == "mmshow: $(kind "$file"): it "* ]]
		done
		head -c 3000 /dev/urandom >"$file"
		refused "$(kind "$file"): it does not begin as such a file"
		{ head -c 8 kept; head -c 3000 /dev/urandom; } >"$file"
		not mmshow d 7 >out 2>errors
		printf 'x' | cat kept - >"$file"
		not mmshow d 7 >out 2>errors
		truncate -s 100M "$file"
		refused "$(kind "$file"): it is no file, or larger than any"
		rm "$file"
		mkfifo "$file"
		refused "$(kind "$file"): it is no file, or larger than any"
		rm "$file"
		cp kept "$file"
	done
	mmshow d 7 >out
}

@test "mm image: a message that would become hundreds of megabytes is refused" {
	make d "${MM[@]}" "${TREE[@]}"
	# 15 million unknown fields of two bytes
	{ head -c 8 d/mm-7.img; printf '\0\0\311\1'; head -c 29949952 /dev/zero | tr '\0' '\10'; } >big
	mv big d/mm-7.img
	limited 1000000 refused 'mm: it is cut short, damaged or larger than any'
}

@test "mm image: (real criu) what may be lazy is what criu has marked so" {
	restores dump_many
	for mm in 1/mm-*.img; do
		pid=${mm//[^0-9]/}
		pid=${pid#1}
		mmshow 1 "$pid" >shown
		crit show "$mm" | grep -cE '"start":' | diff <(grep -vc '^thread' shown) -
		images.py pages 1 | lazy.py "$pid" shown >compared
		cat compared
		[[ $(cat compared) == *' 0 differ' ]]
		[[ $(cat compared) != '0 '* ]]
		# (twin) a mapping too much is found, and one too few
		sed '0,/lazy/s//present/' shown >smaller
		[[ $(images.py pages 1 | lazy.py "$pid" smaller) != *' 0 differ' ]]
		sed 's/present/lazy/' shown >larger
		[[ $(images.py pages 1 | lazy.py "$pid" larger) != *' 0 differ' ]]
	done
}
