#!/usr/bin/env bats
# The real CRIU takes what has been through imgread and imgwrite. It runs on
# this machine's kernel, in a root file system of its own (tests/vm/native);
# what is done in there is in tests/vm/restores.

load helpers/lib
load helpers/criu

# It is made once, which may take longer than a test may. (mmdebstrap, which
# numbers its own descriptors, fails with those of bats.)
setup_file() { "$BATS_TEST_DIRNAME/vm/made" trixie tree </dev/null >/dev/null 3>&- 4>&- || :; }

setup() { lib_setup; }
teardown() { lib_teardown; }

@test "imgread: of a dump by criu, --all makes a directory that criu restores" {
	restores full
}

@test "imgread: (twin) a byte that is not what it was is found by the restored process" {
	not restores twin_full
	grep -q 'the restored victim says: error 1 ' errors
}

@test "imgread: what criu has marked as lazy is fetched by criu lazy-pages" {
	restores lazily
}

@test "imgread: --flatten of a dump on top of our pre-dump is restored without parents" {
	restores flatten
}

@test "imgread: (twin) without --flatten and without its parents criu does not restore it" {
	not restores twin_flatten
	grep -q 'why: criu restore' errors
}

@test "lazyserve: serves criu restore --lazy-pages: threads, children, every kind of memory" {
	restores lazyserve_full
}

@test "lazyserve: (twin) a byte that is not what it was is found by the restored process" {
	not restores twin_lazyserve
	grep -q 'the restored victim says: error 1 ' errors
}

@test "lazyserve: a restored process forks, unmaps and drops what it does not have yet" {
	restores lazyserve_changes
}

@test "lazyserve: killed during a criu restore, or soon after: criu does not hang, and nothing is wrong" {
	restores lazyserve_killed
}

@test "lazyserve: serves what a dump on top of our pre-dump has itself, and nothing of its parent" {
	restores lazyserve_parents
}

@test "lazyserve: a small directory of makelazy is restored, with the pages of a chain" {
	restores lazyserve_small
}
