# Forklore. `make run` shows it, `make test` tests it; both install what is missing first.
#
#   make [all]  run  test  check  check-unit [T=name]  check-integration  lint  install  clean
#   make bench [QUICK=1] [GAPBS_DIR=…] [PYTHONS="… …"] [ARGS=…]
#   make bench-check A=before.json B=after.json  or  bench-check COMMIT=main [QUICK=1] [ARGS=…]
#   make check-asan  check-ubsan  check-tsan  check-valgrind  check-compilers  check-fuzz  check-model
#   check-search-million
#   fuzz [SECONDS=60] [T=target]
#   bench-serve [ARGS='--rounds 9']  bench-search  bench-search-serve  bench-titles  bench-pagerank
#   CC=clang  CFLAGS=…  SANITIZE=address|undefined|thread  V=1  prefix=/usr/local  DESTDIR=

VERSION  := 0.1.0
PYTHON   ?= /usr/bin/python3
prefix   ?= /usr/local
BUILD    ?= build$(if $(SANITIZE),/$(SANITIZE))
Q        := $(if $(V),,@)

MSGPACK  := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PACKAGES := liburing $(MSGPACK) libseccomp expat libzstd libxxhash libutf8proc zlib
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef $(WERROR)
SANITIZER_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer) \
            $(if $(filter undefined,$(SANITIZE)),-fno-sanitize-recover=all)
CFLAGS   ?= -O2 -g
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DFORKLORE_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CPPFLAGS)
ALL_CFLAGS = -std=gnu17 -pthread $(WARNINGS) $(CFLAGS) $(SANITIZER_FLAGS)
ALL_LIBS  = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lbz2 -lstemmer -lm $(LDLIBS)

FOLDERS  := shm ipc worker coordinator coordinator/build coordinator/dump coordinator/generate client
SOURCES  := $(sort $(wildcard $(FOLDERS:=/*.c)))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  := $(filter-out $(BUILD)/coordinator/main.o $(BUILD)/client/%,$(OBJECTS))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/*_test.c)))

all: $(BUILD)/forklored $(BUILD)/forklore

$(BUILD)/forklored: $(filter-out $(BUILD)/client/%,$(OBJECTS))
$(BUILD)/forklore: $(filter $(BUILD)/client/% $(BUILD)/ipc/% $(BUILD)/shm/%,$(OBJECTS))
$(BUILD)/tests/dump_links: $(BUILD)/tests/dump_links.o $(LIBRARY)
$(BUILD)/forklored $(BUILD)/forklore $(BUILD)/tests/dump_links:
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/bench/%: $(BUILD)/bench/%.o $(LIBRARY)
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/tests/shim.so: tests/shim.c
	$(Q)mkdir -p $(@D) && echo "  CC    $@" && $(CC) -D_GNU_SOURCE -O1 -shared -fPIC -o $@ $<

$(BUILD)/tests/%_test: $(BUILD)/tests/%_test.o $(LIBRARY)
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(ALL_LIBS)

$(BUILD)/%.o: %.c Makefile
	$(Q)mkdir -p $(@D) && echo "  CC    $@" && $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# PageRank's loops over vectors; and no processor may round otherwise than another. (Sanitizers
# take half a minute over these at -O3.)
$(addprefix $(BUILD)/worker/,pagerank.o multiply.o): \
    ALL_CFLAGS += $(if $(SANITIZE),-O1,-O3) -ffp-contract=off

# --- What the README tells ---------------------------------------------------------------------

run: deps
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)client/tour $(BUILD)

test: deps-test
	$(Q)tests/run $(MAKE)

deps:
	$(Q)tests/deps run
deps-test:
	$(Q)tests/deps run test

# --- Checks: `make test` is all of them --------------------------------------------------------

# Tests that measure memory or time ask what they run under.
export FORKLORE_UNDER := $(SANITIZE)
export TSAN_OPTIONS := suppressions=$(CURDIR)/tests/tsan.supp
UNIT := $(if $(T),$(BUILD)/tests/$(T)_test,$(TESTS))

check: check-unit check-integration
check-unit: $(UNIT)
	$(Q)tests/run-unit $^
check-integration: all $(BUILD)/tests/dump_links $(if $(SANITIZE),,$(BUILD)/bench/counts $(BUILD)/tests/shim.so)
	$(Q)FORKLORE_BUILD=$(BUILD) tests/run-integration $(PYTHON) $(or $(T),$(BLACK_BOX))

# Chaos for so long, `make soak [SECONDS=600]`; CI has a minute of it.
.PHONY: soak check-soak
soak: all
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) tests/soak.py $(or $(SECONDS),600)
check-soak:
	$(Q)$(MAKE) --no-print-directory SECONDS=60 soak
check-asan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=address check
check-ubsan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=undefined check
# ThreadSanitizer is slow: of the black-box tests only those in which threads meet.
check-tsan:
	$(Q)FORKLORE_WORKERS=threads:3 $(MAKE) --no-print-directory SANITIZE=thread \
	    BLACK_BOX="crash fault protocol socket start" check
check-valgrind: $(UNIT)
	$(Q)UNDER="valgrind --quiet --error-exitcode=99 --leak-check=full --trace-children=no" \
	    JOBS=$$(nproc) FORKLORE_UNDER=valgrind tests/run-unit $^
# Search against the oracle on a million pages: some 3 GiB and half an hour, on request.
check-search-million: all
	$(Q)FORKLORE_BUILD=$(BUILD) FORKLORE_SEARCH_PAGES=1000000 FORKLORE_SEARCH_QUERIES=2 \
	    FORKLORE_PATIENCE=3600 $(PYTHON) tests/search_oracle_test.py -v MadeUpWiki
check-compilers:
	$(Q)$(MAKE) --no-print-directory BUILD=build/gcc CC=gcc WERROR=-Werror all programs
	$(Q)$(MAKE) --no-print-directory BUILD=build/clang CC=clang WERROR=-Werror all check-unit
programs: $(TESTS)

# libFuzzer's targets, by clang: FUZZER says whether it can. `fuzz` goes on from the corpus that the
# last one left; check-fuzz takes the same few seconds' way every time.
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/$(or $(T),*).c)))
FUZZER  = echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
    clang -x c -fsanitize=fuzzer,address,undefined -o build/fuzz/probe - 2>build/fuzz/probe.log
MAKE_FUZZ = $(MAKE) --no-print-directory BUILD=build/fuzz CC=clang T=$(T) fuzz-programs CFLAGS="-O1 -g \
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
fuzz check-fuzz:
	$(Q)mkdir -p build/fuzz; if ! $(FUZZER); then \
	    echo "SKIP: clang has no libFuzzer here: $$(tail -n 1 build/fuzz/probe.log)"; \
	    echo "0 passed, 0 failed, 1 skipped"; \
	else $(MAKE_FUZZ) && PYTHON=$(PYTHON) tests/fuzz/run build/fuzz \
	    $(if $(filter fuzz,$@),$(or $(SECONDS),60),0) $(T); fi
fuzz-programs: $(FUZZ)
check-model:
	$(Q)tests/model/check
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIBRARY)
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

lint:
	$(Q)tests/lint $(ALL_CPPFLAGS)

# --- Benchmarks: bench/ says what each measures and against what -------------------------------

$(BUILD)/bench/%.o: bench/%.cc Makefile
	$(Q)mkdir -p $(@D) && echo "  CXX   $@" && $(CXX) -std=c++17 -Wall -Wextra $(CFLAGS) -c -o $@ $<
$(BUILD)/bench/load: $(BUILD)/bench/load_keys.o
$(BUILD)/bench/titles: $(BUILD)/bench/titles.o $(BUILD)/bench/titles_map.o $(LIBRARY)
	$(Q)echo "  LD    $@" && $(CXX) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(ALL_LIBS)

# A million pages of few words, made once.
$(BUILD)/bench/million.flk: | all
	$(Q)mkdir -p $(@D) && $(BUILD)/forklored generate wiki --pages 1000000 --words 4 --links 2 \
	    -o $@.xml && $(BUILD)/forklored build $@.xml -o $@ >/dev/null && rm $@.xml
bench-titles: $(BUILD)/bench/titles $(BUILD)/bench/million.flk
	$(Q)$^

bench-serve: all $(BUILD)/bench/load $(BUILD)/bench/echo
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) bench/serve.py $(ARGS)

# Lucene, Xapian and SQLite FTS5 beside it; ARGS="--corpora wiki --steps search"
bench-search: all
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) bench/search/run.py $(ARGS)

bench-search-serve: all $(BUILD)/bench/load $(BUILD)/bench/inprocess $(BUILD)/bench/echo
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) bench/search_serve.py $(ARGS)

# GAPBS_DIR=folder of the GAP benchmark suite; ARGS="--graphs kronecker-22 --rounds 5 --reuse"
bench-pagerank: all $(BUILD)/bench/pagerank
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) bench/pagerank.py $(ARGS)

# --- The comparison: docs/contenders.md --------------------------------------------------------

BENCH_TOOLS := $(addprefix $(BUILD)/bench/,echo load messages pagerank reference spawn)
bench: deps-bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(BENCH_TOOLS)
	$(Q)FORKLORE_BUILD=$(BUILD) GAPBS_DIR=$(GAPBS_DIR) BENCH_PYTHONS="$(PYTHONS)" \
	    $(PYTHON) bench/run $(if $(QUICK),--quick) $(ARGS)
bench-check: $(if $(COMMIT),all $(BENCH_TOOLS))
	$(Q)FORKLORE_BUILD=$(BUILD) $(PYTHON) bench/check $(if $(COMMIT),--commit $(COMMIT) --options "$(if $(QUICK),--quick) $(ARGS)",$(A) $(B))
deps-bench: deps
	$(Q)tests/deps bench || echo "bench: contenders that miss their packages are left out"

.PHONY: bench bench-check deps-bench

# --- The rest ----------------------------------------------------------------------------------

install: all
	install -D -m 755 -t $(DESTDIR)$(prefix)/bin $(BUILD)/forklore $(BUILD)/forklored
	install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man1 docs/forklore.1
	install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man8 docs/forklored.8
	install -d $(DESTDIR)$(prefix)/lib/systemd/system
	install -m 644 systemd/forklored.socket $(DESTDIR)$(prefix)/lib/systemd/system
	sed 's|@bindir@|$(prefix)/bin|' systemd/forklored.service.in \
	    >$(DESTDIR)$(prefix)/lib/systemd/system/forklored.service

clean:
	$(Q)rm -rf build

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(FUZZ:=.d) $(wildcard $(BUILD)/bench/*.d)
.PHONY: all run test deps deps-test check check-unit check-integration programs check-asan check-ubsan \
        check-tsan check-valgrind check-compilers check-search-million fuzz check-fuzz fuzz-programs \
        check-model bench-serve bench-search bench-search-serve bench-titles bench-pagerank lint install \
        clean
.SECONDARY:
