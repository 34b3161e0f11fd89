# Forklore. `make run` shows it, `make test` tests it; both install what is missing first.
#
#   make [all]  run  test  check-unit [T=name]  check-integration  lint  install  clean  deps
#   make check-asan check-ubsan check-tsan check-valgrind
#   SANITIZE=address|undefined|thread  V=1  CC=clang  prefix=/usr/local  DESTDIR=

CC       ?= cc
PYTHON   ?= /usr/bin/python3
prefix   ?= /usr/local
MODE     := $(if $(SANITIZE),$(SANITIZE),release)
BUILD    ?= build$(if $(SANITIZE),/$(SANITIZE))
Q        := $(if $(V),,@)

MSGPACK  := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PACKAGES := liburing $(MSGPACK) expat libzstd libxxhash libutf8proc zlib
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef
SANITIZER_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
            $(if $(filter undefined,$(SANITIZE)),-fno-sanitize-recover=all))
CFLAGS   ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE -DFORKLORE_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(CFLAGS) $(SANITIZER_FLAGS) -pthread
LDLIBS   += $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lbz2 -lm -pthread
VERSION  := 0.1.0

SOURCES  := $(sort $(wildcard shm/*.c ipc/*.c worker/*.c coordinator/*.c coordinator/*/*.c client/*.c))
HEADERS  := $(sort $(wildcard shm/*.h ipc/*.h worker/*.h coordinator/*.h coordinator/*/*.h client/*.h))
MAINS    := coordinator/main.c client/main.c
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
DAEMON   := $(filter-out $(BUILD)/client/%,$(OBJECTS))
CLIENT   := $(filter $(BUILD)/client/% $(BUILD)/ipc/% $(BUILD)/shm/%,$(OBJECTS))
LIBRARY  := $(filter-out $(MAINS:%.c=$(BUILD)/%.o),$(OBJECTS))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/*_test.c)))

all: $(BUILD)/forklored $(BUILD)/forklore

$(BUILD)/forklored: $(DAEMON)
$(BUILD)/forklore: $(CLIENT)
$(BUILD)/forklored $(BUILD)/forklore:
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c Makefile
	$(Q)mkdir -p $(@D) && echo "  CC    $@" && $(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%_test: $(BUILD)/tests/%_test.o $(LIBRARY)
	$(Q)echo "  LD    $@" && $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

check-unit: $(if $(T),$(BUILD)/tests/$(T)_test,all $(TESTS))
	$(Q)tests/run-unit $(if $(T),$(BUILD)/tests/$(T)_test,$(TESTS))

clean:
	$(Q)rm -rf build

-include $(OBJECTS:.o=.d) $(TESTS:=.d)
.PHONY: all check-unit clean
.SECONDARY:
