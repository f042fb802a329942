#!/usr/bin/env bats
# The house: help, versions, pages, installation, and the example on each page.

load helpers/lib

setup() { lib_setup; }
teardown() { lib_teardown; }

TOOLS=(freeze vmalist thaw memread imgwrite imgread makelazy memtrack pageserve lazyserve framedump predump)

@test "each tool: --help on stdout, 0; --version; an unknown option is one line, 100" {
	local tool code
	for tool in "${TOOLS[@]}"; do
		"$tool" --help >out 2>errors
		[ ! -s errors ]
		grep -q "^Usage: $tool" out
		grep -q 'Exit status' out
		[ "$(awk '{ print length }' out | sort -n | tail -n 1)" -le 80 ]
		[ "$("$tool" --version)" = "$("$tool" -V)" ]
		[[ "$("$tool" -V)" =~ ^"$tool (pagepipe) "[0-9]+\.[0-9]+$ ]]
		code=0
		"$tool" --no-such-option </dev/null >out 2>errors || code=$?
		[ "$code" = 100 ]
		[ ! -s out ]
		[ "$(wc -l <errors)" = 1 ]
		[ "$("$tool" --help | head -n 1 >/dev/full 2>&1; echo ok)" = ok ]
	done
}

@test "each tool: every option of --help is on its page, and the other way round" {
	local tool page option
	for tool in "${TOOLS[@]}"; do
		page=$(echo "$ROOT"/src/*/"$tool.1")
		mandoc -T ascii "$page" | col -b >shown
		while read -r option; do
			grep -q -- "$option" shown || { echo "$tool: $option is not on its page"; false; }
		done < <("$tool" --help | grep '^ ' | grep -oE -- '--[a-z-]+' | sort -u)
		while read -r option; do
			"$tool" --help | grep -q -- "$option" ||
				grep -qr -- "\"${option#--}\"" "$ROOT/src" ||
				[[ ' --track-mem --prev-images-dir --page-server --lazy-pages ' == *" $option "* ]] || # criu's
				{ echo "$tool: its page names $option"; false; }
		done < <(grep -oE -- '--[a-z][a-z-]+' shown | sort -u)
	done
}

# The lines of a page's example: behind the mark, within .Bd and .Ed.
example_of() { sed -n '/^\.\\" EXAMPLE/,/^\.Ed/p' "$1" | sed '/^\./d; s/\\&//g; s/\\e/\\/g; s/\\-/-/g'; }

@test "each page: its example works as printed" {
	local page nr=0
	victim anon
	for page in "$ROOT"/src/*/*.[17]; do
		example=$(example_of "$page")
		[ -n "$example" ] || { echo "$page has no example"; false; }
		rm -rf copy
		PID=$VICTIM DIR=copy bash -o pipefail -c "$example" >out 2>errors ||
			{ echo "$page: $example"; cat errors; false; }
		nr=$((nr + 1))
	done
	[ "$nr" -ge 8 ]
	# (twin) an example that does not work is found
	PID=999999 DIR=copy not bash -o pipefail -c "$example" >out 2>errors
}

@test "README: its words are used as it says, its commands exist" {
	local tool
	for tool in "${TOOLS[@]}"; do
		grep -q "^| \`$tool" "$ROOT/README.md"
	done
	grep -q 'make demo' "$ROOT/README.md"
	make -n -C "$ROOT" demo check lint format install uninstall bench torture check-fresh deb check-deb >/dev/null
}

@test "make install: plain names and pages under PREFIX, uninstall takes them away" {
	make -s -C "$ROOT" install DESTDIR="$T/root" PREFIX=/usr >/dev/null
	for tool in "${TOOLS[@]}"; do
		[ -x "root/usr/bin/$tool" ]
		[ -s "root/usr/share/man/man1/$tool.1" ]
		[ -s "root/usr/share/bash-completion/completions/$tool" ]
	done
	[ -s root/usr/share/man/man5/pagestream.5 ]
	[ -s root/usr/share/man/man7/pagepipe.7 ]
	victim anon
	PATH=$T/root/usr/bin:$PATH
	freeze "$VICTIM" | vmalist | memread | imgwrite copy
	make -s -C "$ROOT" uninstall DESTDIR="$T/root" PREFIX=/usr >/dev/null
	[ -z "$(find root ! -type d)" ]
}

@test "debian/: its version and what it needs for building are those of the Makefile" {
	local needs package
	head -n 1 "$ROOT/debian/changelog" | grep -qF "pagepipe ($(sed -n 's/^VERSION := //p' "$ROOT/Makefile")) "
	needs=$(make -s -C "$ROOT" --eval 'print-needs: ; @echo $(BUILD_NEEDS)' print-needs)
	[[ "$needs" == *libisal-dev* ]]
	for package in $needs; do
		# (build-essential has these)
		[[ "$package" == gcc || "$package" == libc6-dev ]] ||
			grep -qE "^(Build-Depends:)? +$package(,|\$)" "$ROOT/debian/control"
	done
}

@test "tests/need: says the one command to those who are not root" {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$ROOT/tests/need" bash no-such-package-at-all 2>out || code=$?
	[ "$code" = 1 ]
	grep -q 'apt-get install .* no-such-package-at-all' out
	not grep -q ' bash' out
	"$ROOT/tests/need" bash
}
