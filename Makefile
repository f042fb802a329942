# SPDX-License-Identifier: GPL-3.0-or-later
#
# make              every tool, into bin/
# make demo         checkpoint a live process and check the result
# make check        every test;  T=memread one file;  F='cut short' by name
# make SANITIZE=1 check         the same with address and undefined behaviour
#                   sanitizers;  SANITIZE=thread: those about threads, for races
# make VALGRIND=1 check         some, for memory lost and descriptors left open
# make lint         what must hold before a commit
# make analyze      gcc -fanalyzer and clang-tidy, of what has changed
# make format       rewrite the sources to .clang-format
# make install      into DESTDIR PREFIX (/usr/local);  make uninstall
# make check-vm      the real CRIU takes our images, in two virtual machines; and
#                   rounds on arm64, in a third one
# make CC=aarch64-linux-gnu-gcc    the same tools for arm64, into build-aarch64/bin
# make fuzz T=frame  hostile bytes for S=60 seconds; the targets: tests/fuzz/*.c
# make torture      every tool is hurt at every system call, the target is not;
#                   CASES=10000 or MINUTES=30 of it
# make soak         10,000 rounds of a target that never holds still
# make deb          a Debian package, into build/deb/
# make check-deb    it is installed in a clean Debian 12 and 13, and used there
# make bench check-fresh clean

VERSION := 0.1
PREFIX  ?= /usr/local
DESTDIR ?=

# A tool is one file with a main(), named after the tool.
TOOLS := freeze/freeze freeze/thaw vmalist/vmalist memread/memread \
	imgwrite/imgwrite imgread/imgread memtrack/memtrack framedump/framedump \
	lazyserve/lazyserve makelazy/makelazy pageserve/pageserve predump/predump

# The architecture: which rooms each folder may include, in link order.
# `make layers` checks it, so that arrows go down only.
base.uses      :=
confine.uses   := base
vm.uses        := base
stream.uses    := vm base
proc.uses      := vm base
image.uses     := vm base
xfer.uses      := vm base
stage.uses     := stream proc vm confine base
freeze.uses    := stage stream proc vm base
vmalist.uses   := stage stream proc vm base
memread.uses   := stage stream proc vm base
imgwrite.uses  := stage stream proc image vm confine base
imgread.uses   := stage stream proc image vm confine base
memtrack.uses  := stage stream proc image vm base
lazyserve.uses := stage stream xfer proc image vm confine base
framedump.uses := stage stream proc vm confine base
makelazy.uses  := stage stream proc image vm confine base
pageserve.uses := stage xfer image vm confine base
predump.uses   := stage proc base
helpers.uses   := stream image xfer proc vm confine base
confine.libs   := -lseccomp
stream.libs    := -lprotobuf-c -lxxhash -lisal
image.libs     := -lprotobuf-c
imgwrite.libs  := -pthread
lazyserve.libs := -ljson-c
predump.libs   := -lpipeline -ljson-c -pthread
ROOMS   := base confine vm stream proc image xfer stage
FOLDERS := $(ROOMS) $(sort $(foreach t,$(TOOLS),$(patsubst %/,%,$(dir $t))))

# Programs of the tests: tests/helpers/NAME.c, built into build/tests/.
HELPERS := $(patsubst tests/helpers/%.c,%,$(wildcard tests/helpers/*.c))

BUILD_NEEDS := gcc libc6-dev protobuf-c-compiler libprotobuf-c-dev \
	libxxhash-dev libisal-dev libpipeline-dev libjson-c-dev libseccomp-dev
DEMO_NEEDS  := $(BUILD_NEEDS) redis-server redis-tools procps
LINT_NEEDS  := $(BUILD_NEEDS) clang-format shellcheck mandoc
DEB_NEEDS   := $(BUILD_NEEDS) build-essential debhelper lintian

# Where it is built: for another machine (CC=aarch64-linux-gnu-gcc) in a folder
# of its own, with the libraries from Debian's packages for that machine.
TRIPLET := $(shell $(CC) -dumpmachine 2>/dev/null)
HERE    := $(shell uname -m)
MACHINE := $(or $(firstword $(subst -, ,$(TRIPLET))),$(HERE))
O   := build
BIN := bin
ifneq ($(MACHINE),$(HERE))
O    := build-$(MACHINE)
BIN  := $O/bin
AR   := $(TRIPLET)-ar
LIBS := $(if $(wildcard /usr/lib/$(TRIPLET)/libprotobuf-c.so),,$O/libs)
override LDFLAGS += $(LIBS:%=-L%/usr/lib/$(TRIPLET))
endif

CFLAGS ?= -O2 -g
WERROR ?= -Werror

# With sanitizers, in a folder of their own. Targets are built as ever: what is
# copied is to be an ordinary process.
SANITIZER := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
SANITIZER_1      := $(SANITIZER) -fsanitize=address,undefined
SANITIZER_thread := $(SANITIZER) -fsanitize=thread -Wno-maybe-uninitialized
PLAIN := $(CFLAGS)
TARGETS := blocker blocker32 churn late mapper mutator odd sections victim writer
# Of the tests, where there is no T, what has to do with threads, which are
# imgwrite's and those of predump's spool: the rest has none.
THREADED := imgwrite ring spool predump rounds checked
# And with valgrind, which takes a second to begin anything: those that begin
# tools by the dozen, not by the thousand, and depend on no time.
WATCHED := checked framedump image imgread
ifdef SANITIZE
$(if $(SANITIZER_$(SANITIZE)),,$(error SANITIZE is 1 or thread))
O      := $O-$(patsubst 1,asan,$(SANITIZE:thread=tsan))
BIN    := $O/bin
CFLAGS := $(SANITIZER_$(SANITIZE)) -static-libasan -static-libubsan
endif

# Hardened, whatever CFLAGS says, but where sanitizers are at work. Of FORTIFY,
# see feature_test_macros(7): it is nothing without optimization.
HARDEN_x86_64  := -fcf-protection
HARDEN_aarch64 := -mbranch-protection=standard
ifeq ($(findstring -fsanitize,$(CFLAGS)),)
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection $(HARDEN_$(MACHINE)) \
	$(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
HARDEN_LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif

WARN := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wswitch-enum \
	-Wwrite-strings $(WERROR)
# A line a file; V=1 shows the whole commands.
Q   := $(if $V,,@)
say  = $(if $V,,@echo '  $(1)	$(2)')
override CPPFLAGS += -Isrc -I$O -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DVERSION='"$(VERSION)"'

MAINS := $(TOOLS:%=src/%.c)
objs   = $(patsubst src/%.c,$O/%.o,$(filter-out $(MAINS),$(wildcard src/$(1)/*.c)))
HDRS  := $(wildcard src/*/*.h)
SRCS  := $(wildcard src/*/*.c)
TESTC := $(wildcard tests/helpers/*.[ch] tests/fuzz/*.c tests/fuzz/kit/*.[ch] bench/*.c)
PAGES := $(wildcard src/*/*.1 src/*/*.5 src/*/*.7)

all: $(foreach t,$(TOOLS),$(BIN)/$(notdir $t))

$O/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<

# src/ROOM/NAME.proto -> ROOM/NAME.pb-c.[ch]
PB := $(patsubst src/%.proto,$O/%.pb-c,$(wildcard src/*/*.proto))
$O/%.pb-c.c $O/%.pb-c.h: src/%.proto
	@mkdir -p $(@D)
	$(call say,PROTO,$<)
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(@D) $<
$(PB:%=%.o): $O/%.o: $O/%.c
	$(Q)$(CC) $(CPPFLAGS) $(HARDEN) $(CFLAGS) -c -o $@ $<
$(foreach d,$(FOLDERS),$(call objs,$d)) $(MAINS:src/%.c=$O/%.o): | $(PB:%=%.h)
pb = $(filter $O/$(1)/%,$(PB:%=%.o))

define room
$O/lib$(1).a: $(call objs,$(1)) $(call pb,$(1))
	@rm -f $$@
	$(Q)$(AR) rcsD $$@ $$^
endef
$(foreach r,$(FOLDERS),$(eval $(call room,$r)))

libs = $(sort $(foreach u,$(1),$($u.libs)))

# $(1) freeze/thaw  $(2) freeze  $(3) thaw
define tool
$(BIN)/$(3): $O/$(1).o $(call objs,$(2)) $(patsubst %,$O/lib%.a,$($(2).uses)) | $(LIBS)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$(Q)$$(CC) $$(CFLAGS) $$(HARDEN_LINK) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $(call libs,$(2) $($(2).uses))
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$t,$(patsubst %/,%,$(dir $t)),$(notdir $t))))

helpers: $(HELPERS:%=$O/tests/%)
$(TARGETS:%=$O/tests/%): private CFLAGS := $(PLAIN)
$O/tests/%: tests/helpers/%.c $(wildcard tests/helpers/*.h) $(patsubst %,$O/lib%.a,$(helpers.uses)) Makefile | $(LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -pthread -Wl,--as-needed -o $@ $< \
		$(filter %.a,$^) $(call libs,$(helpers.uses))

# the same program with 32 bits; Debian's gcc-12-multilib
$O/tests/blocker32: tests/helpers/blocker.c $(wildcard tests/helpers/blocker_*.h) Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)gcc-12 -m32 -idirafter /usr/include/$$(gcc -print-multiarch) $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) -pthread -o $@ $<

# Fuzzing: tests/fuzz/NAME.c is a target, with sanitizers, in a folder of its
# own: by clang with libFuzzer, or to replay what is kept (tests/fuzz/kit/kit.h).
# The tool that a target is about, but for its main().
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
fuzz-frame.tool    := framedump
fuzz-xfer.tool     := pageserve
fuzz-announce.tool := lazyserve
fuzz-event.tool    := lazyserve
fuzz-framedump.tool := framedump
fuzz-imgread.tool  := imgread
fuzz-imgwrite.tool := imgwrite
fuzz-tracker.tool  := memtrack
# What is planted in its twin, if not in buf_reserve() (tests/fuzz/kit/plant.c).
fuzz-announce.plant := recvmsg
fuzz-event.plant    := left_empty
fuzz-keeper.plant   := recv
fuzz-tracker.plant  := local_attached
comma := ,
FUZZ_WRAPS  := malloc calloc realloc reallocarray free strdup \
	protobuf_c_message_unpack protobuf_c_message_free_unpacked
FUZZ_WRAP   := $(FUZZ_WRAPS:%=-Wl$(comma)--wrap=%)
FUZZ_KIT    := $(filter-out %/replay.c %/plant.c,$(wildcard tests/fuzz/kit/*.c))
REPLAYERS   := $(FUZZ:%=build-replay/fuzz/%) $(FUZZ:%=build-replay/fuzz/%.planted)

# $(1) frame  $(2) its main()  $(3) what its name ends in  $(4) options
define fuzz
$O/fuzz/$(1)$(3): tests/fuzz/$(1).c $(FUZZ_KIT) $(2) $(call fuzz-uses,$(1)) $(wildcard tests/fuzz/kit/*.h) Makefile
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$(Q)$$(CC) $$(CPPFLAGS) -Itests/fuzz $$(WARN) $$(HARDEN) $$(CFLAGS) $$(LDFLAGS) $(4) $(FUZZ_WRAP) -Wl,--as-needed -o $$@ \
		$$(filter %.c %.a,$$^) $(call libs,$(helpers.uses))
endef
fuzz-uses = $(patsubst %,$O/lib%.a,$(fuzz-$(1).tool) stage $(helpers.uses))
REPLAY := tests/fuzz/kit/replay.c
$(foreach f,$(FUZZ),$(eval $(call fuzz,$f,,.libfuzzer,-fsanitize=fuzzer)))
$(foreach f,$(FUZZ),$(eval $(call fuzz,$f,$(REPLAY))))
$(foreach f,$(FUZZ),$(eval $(call fuzz,$f,$(REPLAY) tests/fuzz/kit/plant.c,.planted,-Wl$(comma)--wrap=$(or $(fuzz-$f.plant),buf_reserve))))

replayers:
	@$(MAKE) --no-print-directory -s O=build-replay CFLAGS='$(SANITIZER_1)' $(REPLAYERS)

# of another machine, unpacked
build-%/libs:
	$(call say,UNPACK,$@)
	@rm -rf $@.new
	$(Q)tests/vm/unpack "$$(. /etc/os-release && echo $$VERSION_CODENAME)" \
		$(patsubst aarch64,arm64,$*) $@.new $(filter lib%-dev,$(filter-out libc6-dev,$(BUILD_NEEDS)))
	@mv $@.new $@

# every header compiles on its own
headers: $(HDRS:src/%.h=$O/%.h.ok)
$O/%.h.ok: src/%.h $(HDRS) | $(PB:%=%.h)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(WARN) -fsyntax-only -include $< -xc /dev/null && touch $@

empty :=
space := $(empty) $(empty)
define layer
	@bad=$$(grep -HnE '^#[[:space:]]*include "' src/$(1)/*.[ch] | \
	  grep -vE 'include "($(subst $(space),|,$(strip $(1) $($(1).uses))))/'); \
	if [ -n "$$bad" ]; then echo "src/$(1) may include: $(strip $(1) $($(1).uses))"; echo "$$bad"; exit 1; fi

endef
layers:
	$(foreach f,$(FOLDERS),$(call layer,$f))

need-build: ; @tests/need $(BUILD_NEEDS)
need-demo:  ; @tests/need $(DEMO_NEEDS)
need-lint:  ; @tests/need $(LINT_NEEDS)
need-deb:   ; @tests/need $(DEB_NEEDS)

demo: need-demo
	@$(MAKE) --no-print-directory -s all helpers
	@tests/demo

check: need-build
	@tests/need $$(sed 's/#.*//' tests/NEEDS)
	@$(if $(VALGRIND),tests/need valgrind)
	@$(MAKE) --no-print-directory -s all helpers replayers $O/tests/blocker32
	@BIN=$(abspath $(BIN)) O=$(abspath $O) SANITIZE=$(SANITIZE) VALGRIND=$(VALGRIND) tests/run $(if $T,-t '$T',$(if $(filter thread,$(SANITIZE)),-t '$(THREADED)',$(if $(VALGRIND),-t '$(WATCHED)'))) $(if $F,-f '$F')

# Programs of the bench: bench/NAME.c.
BENCH := $(patsubst bench/%.c,$O/bench/%,$(wildcard bench/*.c))
$O/bench/%: bench/%.c Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $<

# SECTIONS='rate growth': those;  KEEP=1: all, into bench/RESULTS.md and growth.svg
bench: need-build
	@tests/need $$(sed 's/#.*//' bench/NEEDS)
	@$(MAKE) --no-print-directory -s all helpers $(BENCH)
	@bench/run $(if $(KEEP),--keep) $(SECTIONS)

# One target for S seconds; KEEP=1: what it finds goes into its corpus.
fuzz: need-build
	$(if $T,,$(error make fuzz T=NAME, one of: $(FUZZ)))
	@tests/need $$(sed 's/#.*//' tests/fuzz/NEEDS)
	@$(MAKE) --no-print-directory -s O=build-fuzz CC=clang-14 \
		CFLAGS='$(SANITIZER_1) -fsanitize=fuzzer-no-link -Wno-format-nonliteral' build-fuzz/fuzz/$T.libfuzzer
	@KEEP=$(KEEP) tests/fuzz/run $T $(or $S,60)

check-fresh: ; @tests/fresh

# From a copy, since debhelper builds in its source and writes beside it. What
# this make was told, such as PREFIX, is none of the package's business.
DEB = $(CURDIR)/build/deb/pagepipe_$(VERSION)_$(shell dpkg --print-architecture).deb
deb: need-deb
	@rm -rf build/deb && mkdir -p build/deb/source
	@tar -c --exclude=./build --exclude='./build-*' --exclude=./bin --exclude=./.git . | \
		tar -x -C build/deb/source
	$(call say,DEB,build/deb/log)
	$(Q)cd build/deb/source && unset MAKEFLAGS MFLAGS MAKELEVEL && \
		export DEB_BUILD_OPTIONS='noautodbgsym parallel=$(shell nproc)' && \
		dpkg-buildpackage -us -uc -b >../log 2>&1 || { cat ../log; exit 1; }
	$(call say,LINTIAN,$(notdir $(DEB)))
	$(Q)lintian --allow-root --info --display-info --pedantic --fail-on error,warning $(DEB:.deb=.changes)
	@rm -rf build/deb/source
	@echo $(DEB)

# RELEASES=trixie: in that one
check-deb: deb
	@$(MAKE) --no-print-directory -s $O/tests/imgcmp
	@tests/need $$(sed 's/#.*//' tests/NEEDS.deb)
	@tests/deb $(DEB) $(RELEASES)

# SHORT=1: one chain a guest, and no arm64;  T='chain_rounds twin_byte' those
GUESTS ?= bookworm trixie $(if $(SHORT),,arm64)
check-vm: need-build $(if $(filter arm64,$(GUESTS)),need-arm64)
	@tests/need $$(sed 's/#.*//' tests/vm/NEEDS)
	@$(MAKE) --no-print-directory -s all helpers $O/bench/pipeline
	@SHORT=$(SHORT) GUESTS='$(GUESTS)' tests/vm/run $T

# Not gcc-aarch64-linux-gnu, which has gcc-multilib removed.
need-arm64: need-build
	@tests/need $$(sed 's/#.*//' tests/vm/NEEDS.arm64)
	@$(MAKE) --no-print-directory -s CC=aarch64-linux-gnu-gcc-12 all helpers

# CASES=10000: a sample of so many;  MINUTES=30: as many as there is time for;
# SEED=1: that sample;  MODE=memtrack: that one (tests/torture --help)
torture: need-build
	@tests/need $$(sed 's/#.*//' tests/NEEDS)
	@$(MAKE) --no-print-directory -s all helpers
	tests/torture $(if $(CASES),--cases $(CASES)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE))
	tests/armkill --kills 1000

# ROUNDS=200: fewer;  MODES='memory aio' those
soak: need-build
	@tests/need $$(sed 's/#.*//' tests/NEEDS)
	@$(MAKE) --no-print-directory -s all helpers
	tests/oracle --rounds $(or $(ROUNDS),10000) $(MODES)

lint: need-lint
	@$(MAKE) --no-print-directory -s headers layers
	@clang-format --dry-run --Werror $(HDRS) $(SRCS) $(TESTC)
	@tests/lint
	@for page in $(PAGES); do mandoc -T lint -W warning "$$page" || exit 1; done

# Each file anew only when it, or what it includes, has changed.
ANALYZED := $(SRCS) $(wildcard tests/helpers/*.c)
analyze: need-build
	@tests/need $$(sed 's/#.*//' tests/NEEDS.analyze)
	@$(MAKE) --no-print-directory -s -k -j2 $(ANALYZED:%.c=$O/analyzed/%.ok)
	@tests/analyze tests/checked/planted.c $(CPPFLAGS) >$O/analyzed/planted; \
		grep -q analyzer-use-after-free $O/analyzed/planted && grep -q bugprone-branch-clone $O/analyzed/planted
$O/analyzed/%.ok: %.c tests/analyze .clang-tidy tests/.clang-tidy | $(PB:%=%.h)
	@mkdir -p $(@D)
	$(call say,ANALYZE,$<)
	$(Q)tests/analyze $< $(CPPFLAGS) -std=gnu11
	$(Q)$(CC) $(CPPFLAGS) -MM -MP -MT $@ -MF $(@:.ok=.d) $< && touch $@
-include $(wildcard $O/analyzed/*/*/*.d)

format:
	clang-format -i $(HDRS) $(SRCS) $(TESTC)

COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(foreach t,$(TOOLS),$(BIN)/$(notdir $t)) $(DESTDIR)$(PREFIX)/bin
	for page in $(PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	install -D -m 644 completion/pagepipe.bash $(COMPLETIONS)/pagepipe
	for tool in $(notdir $(TOOLS)); do ln -sf pagepipe $(COMPLETIONS)/$$tool || exit 1; done

uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && rm -f $(notdir $(TOOLS))
	for page in $(PAGES); do \
		rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	cd $(COMPLETIONS) && rm -f pagepipe $(notdir $(TOOLS))

clean:
	rm -rf build build-* bin

.PHONY: all helpers demo check analyze lint headers layers format install uninstall \
	clean check-fresh check-vm check-deb torture soak bench fuzz replayers deb \
	need-build need-arm64 need-demo need-lint need-deb
.DELETE_ON_ERROR:
.SECONDARY:
-include $(wildcard $O/*/*.d)
