# Sluice needs GNU make, a C11 compiler and the libraries that `packaging/deps.sh build` installs.
#
#   make               build/sluice and build/sim (the simulated models)
#   make check         unit tests; `make help` lists the other targets
#   make FLAVOUR=asan  the same goals in another flavour; objects live in build/<flavour>/
#   make BUILD=/tmp/b  another place for everything that is built
#   make WERROR=1      warnings are errors, as in CI; off by default so that other compilers can build
#   make CC=…          another compiler

# The first word holds the letters of the options, if there are any: s is for silent.
SILENT := $(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS))))
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

FLAVOUR ?= release
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
WERROR ?= 0
FUZZ_SECONDS ?= 10
O := $(BUILD)/$(FLAVOUR)

# ---- Sources: every file is named here, floor by floor -------------------------------------------

CACHE_MODULES := base loop loop_event loop_virtual arena mailbox span span_scan span_find \
	span_text splice crypt record

ROUTER_MODULES := model catalog task graph snapshot route ledger ledger_keys breaker bucket \
	collect deliver ledger_stats assemble assemble_content assemble_write \
	turns nodecall nodecall_inner nodecall_messages attempt attempt_failure attempt_limits attempt_stream reply_buffer upstream \
	upstream_curl chunk chunk_error chunk_mend \
	job sse_parse reqbody request request_facts request_unit eligible \
	graph_check graph_order graph_file graph_file_text graph_draw graph_layers graph_lanes canvas \
	textbuf cost \
	reply_head http_date pieces \
	answer answer_boxed answer_choice answer_json answer_number answer_parts \
	answer_search answer_tex answer_vote prompt prompt_load prompt_text \
	classify classify_extract \
	dag run run_ask run_vote run_output run_expect

OPTIMIZER_MODULES := classify_train evaluator grader grader_judge grader_schema grader_similar \
	grader_text items items_line tally

# Everything of the gateway but main, so that tests can link it.
GATEWAY_MODULES := cli_serve cli_check cli_eval cli_eval_print cli_table classifier config \
	config_cross_catalog config_cross_eval config_cross_server config_cross_tasks \
	config_examples config_faults config_files config_fill \
	config_keys config_keys_text config_print config_print_json config_print_tasks config_sample \
	config_store config_value config_yaml graph_facts \
	settings front server app app_metrics body relay relay_limits listener sockaddr conn \
	conn_events conn_close conn_plain conn_tls tls http1 http1_bytes http1_fields \
	http1_chunked session auth routes reply api api_models exchange sse_write gzip ident admin \
	metrics log log_line metrics_write

SIM_MODULES := main api server http model ask answer reply schema tools \
	script faults player stats embeddings calls solve offline

# What also runs in process, without the server.
SIM_LAW_MODULES := buf hash arith law law_models law_states law_vote law_graph law_exact \
	items items_math items_facts items_strings items_words speech readback

UNIT_TESTS := grader items bench_answer base loop arena mailbox span span_scan span_find span_text \
	collect deliver ledger_stats assemble \
	splice crypt record model catalog task graph snapshot route ledger ledger_breaker ledger_keys \
	ledger_threads turns nodecall attempt attempt_failure attempt_limits upstream \
	upstream_curl chunk job sse_parse request request_facts eligible \
	cli_table classifier config config_faults config_tasks graph_facts config_print config_value config_yaml listener conn tls \
	reply_head http_date pieces relay_used \
	http1 http1_chunked body auth sse_write gzip ident metrics log log_line \
	session reply relay relay_limits exchange routes api_models server settings admin front app \
	graph_check graph_order graph_file graph_draw canvas cost answer prompt \
	classify classify_train sim_law sim_items sim_classify sim_readback \
	dag run run_expect run_ways evaluator

FUZZERS := items schema assemble http1 chunked sse chunk request span splice config ident gzip graph answer

BENCHES := bench_ledger bench_span load upstream
# What load consists of besides its main.
LOAD_MODULES := load_run answer stats

CACHE_SRC := $(CACHE_MODULES:%=cache/%.c)
ROUTER_SRC := $(ROUTER_MODULES:%=router/%.c)
OPTIMIZER_SRC := $(OPTIMIZER_MODULES:%=optimizer/%.c)
GATEWAY_SRC := $(GATEWAY_MODULES:%=gateway/%.c)
MAIN_SRC := gateway/main.c
SIM_LAW_SRC := $(SIM_LAW_MODULES:%=tests/sim/%.c)
SIM_SRC := $(SIM_MODULES:%=tests/sim/%.c) $(SIM_LAW_SRC)
UNIT_SRC := $(UNIT_TESTS:%=tests/unit/test_%.c)
FUZZ_SRC := $(FUZZERS:%=tests/fuzz/fuzz_%.c)
BENCH_SRC := $(BENCHES:%=tests/bench/%.c)
LOAD_SRC := $(LOAD_MODULES:%=tests/bench/%.c)

SRC := $(CACHE_SRC) $(ROUTER_SRC) $(OPTIMIZER_SRC) $(GATEWAY_SRC) $(MAIN_SRC)
ALL_SRC := $(SRC) $(SIM_SRC) $(UNIT_SRC) $(FUZZ_SRC) $(BENCH_SRC) $(LOAD_SRC)

# ---- Flavours ------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wvla \
	-Wimplicit-fallthrough

HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now

PKG_CONFIG ?= pkg-config
# Debian's package of a certain clang has no plain `clang`.
CLANG ?= $(if $(shell command -v clang-14),clang-14,clang)
# mbedTLS 2.28 has no .pc file.
MBEDTLS := -lmbedtls -lmbedx509 -lmbedcrypto

ifeq ($(FLAVOUR),release)
  OPT := -O2 -g $(HARDEN)
  LINK := $(HARDEN_LD)
else ifeq ($(FLAVOUR),clang)
  FLAVOUR_CC := $(CLANG)
  OPT := -O2 -g $(HARDEN)
  LINK := $(HARDEN_LD)
else ifeq ($(FLAVOUR),debug)
  OPT := -O0 -g3
else ifeq ($(FLAVOUR),asan)
  OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(FLAVOUR),tsan)
  OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else ifeq ($(FLAVOUR),fuzz)
  FLAVOUR_CC := $(CLANG)
  OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
else ifeq ($(FLAVOUR),musl)
  # Static, with the libraries that packaging/musl.sh builds.
  DEPS := $(BUILD)/musl-deps
  FLAVOUR_CC := musl-gcc
  OPT := -O2 -g -fstack-protector-strong
  LINK := -static -L$(DEPS)/lib
  PKG_CFLAGS := -I$(DEPS)/include
  PKG_LIBS := -levent_core -lcurl -lyaml -ljansson $(MBEDTLS) -lz
else ifeq ($(FLAVOUR),i386)
  # With the system's compiler and the sysroot that packaging/i386.sh unpacks, C library and dynamic
  # linker included, so that nothing 32-bit has to be installed.
  DEPS := $(abspath $(BUILD)/i386-sysroot)
  I386_GCC := $(wildcard $(DEPS)/usr/lib/gcc/i686-linux-gnu/*)
  I386_LIB := $(DEPS)/usr/lib/i386-linux-gnu
  PKG_CONFIG := PKG_CONFIG_LIBDIR=$(I386_LIB)/pkgconfig PKG_CONFIG_SYSROOT_DIR=$(DEPS) pkg-config
  OPT := -m32 --sysroot=$(DEPS) -B$(I386_GCC) -O2 -g $(HARDEN)
  # RPATH and not RUNPATH, as only the former holds for the libraries of libraries.
  LINK := $(HARDEN_LD) -L$(I386_GCC) -Wl,--disable-new-dtags \
	-Wl,-rpath,$(I386_LIB):$(DEPS)/lib/i386-linux-gnu \
	-Wl,--dynamic-linker=$(DEPS)/lib/ld-linux.so.2
else
  $(error unknown FLAVOUR $(FLAVOUR): release debug clang asan tsan fuzz musl i386)
endif

# make's own default for CC is no choice of anybody.
ifeq ($(origin CC),default)
  CC := $(or $(FLAVOUR_CC),gcc)
endif

PACKAGES := libevent_core libcurl yaml-0.1 jansson zlib
PKG_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PKG_LIBS ?= $(shell $(PKG_CONFIG) --libs $(PACKAGES)) $(MBEDTLS)
# Asked once, not once per file.
PKG_CFLAGS := $(PKG_CFLAGS)
PKG_LIBS := $(PKG_LIBS)
LIBS := $(PKG_LIBS) -pthread -lm

CFLAGS ?=
LDFLAGS ?=
FLAGS := $(CC) -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. $(PKG_CFLAGS) $(OPT) $(WARNINGS) \
	-pthread $(CFLAGS)

# A tarball has no git, so the number is in the file and git only adds which commit it was.
VERSION := $(shell cat VERSION)$(shell git rev-parse --short=10 HEAD 2>/dev/null | sed 's/^/+g/')

# `make V=1` shows the commands, `make -s` nothing.
Q := $(if $(V),,@)
say = $(if $(V)$(SILENT),@:,@echo '  $(1) $(patsubst $(BUILD)/%,%,$@)')

# ---- Build ---------------------------------------------------------------------------------------

obj = $(patsubst %.c,$(O)/%.o,$(1))

LIB_GATEWAY := $(O)/libgateway.a
LIB_OPTIMIZER := $(O)/liboptimizer.a
LIB_ROUTER := $(O)/librouter.a
LIB_CACHE := $(O)/libcache.a
# In the order of the arrows: the linker looks to the right for what is missing.
OUR_LIBS := $(LIB_GATEWAY) $(LIB_OPTIMIZER) $(LIB_ROUTER) $(LIB_CACHE)

UNIT := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/fuzz/%)
BENCH := $(BENCH_SRC:tests/bench/%.c=$(O)/bench/%)
SLUICE := $(O)/sluice
SIM := $(O)/sim

.PHONY: all libs units
all: $(OUR_LIBS) $(SLUICE) $(SIM)
libs: $(OUR_LIBS)
units: $(UNIT)

ifeq ($(FLAVOUR),release)
all: $(patsubst $(O)/%,$(BUILD)/%,$(SLUICE) $(SIM))
$(BUILD)/sluice $(BUILD)/sim: $(BUILD)/%: $(O)/%
	ln -sfn $(FLAVOUR)/$* $@
endif

$(LIB_CACHE): $(call obj,$(CACHE_SRC))
$(LIB_ROUTER): $(call obj,$(ROUTER_SRC))
$(LIB_OPTIMIZER): $(call obj,$(OPTIMIZER_SRC))
$(LIB_GATEWAY): $(call obj,$(GATEWAY_SRC))

# Begun anew each time: `ar r` would keep members whose source is gone.
$(OUR_LIBS):
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(O)/sluice: $(call obj,$(MAIN_SRC)) $(OUR_LIBS)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/sim: $(call obj,$(SIM_SRC)) $(LIB_ROUTER) $(LIB_CACHE)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

$(filter $(O)/unit/test_sim_%,$(UNIT)): $(call obj,$(SIM_LAW_SRC))
$(UNIT): $(O)/unit/%: $(O)/tests/unit/%.o $(OUR_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(OUR_LIBS) -lcmocka $(LIBS)

$(FUZZ): $(O)/fuzz/%: $(O)/tests/fuzz/%.o $(OUR_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LINK) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/bench/load: $(call obj,$(LOAD_SRC))
$(BENCH): $(O)/bench/%: $(O)/tests/bench/%.o $(OUR_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(FLAGS) $(DEFINES) $(if $(filter 1,$(WERROR)),-Werror) -MMD -MP -c -o $@ $<

# Other flags make other objects. What compiled with warnings as errors is good enough without.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@old=$$(cat $@ 2>/dev/null); [ "$$old" = '$(WERROR) $(FLAGS)' ] || [ "$$old" = '1 $(FLAGS)' ] \
		|| echo '$(WERROR) $(FLAGS)' > $@

# The version is a macro of the gateway; when it changes, what names it is compiled again.
$(O)/gateway/%.o $(O)/tidy/gateway/%.ok: DEFINES := -DSLUICE_VERSION='"$(VERSION)"'
$(call obj,$(shell grep -ls SLUICE_VERSION /dev/null $(GATEWAY_SRC) $(MAIN_SRC))): $(O)/version
$(O)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
FORCE:

-include $(patsubst %.c,$(O)/%.d,$(ALL_SRC))

# ---- Tests ---------------------------------------------------------------------------------------

JOBS ?= $(shell nproc)
PYTHON ?= python3
NM ?= nm
# What the tests in Python start.
E2E_ENV = SLUICE=$(abspath $(O))/sluice SIM=$(abspath $(O))/sim PYTHONDONTWRITEBYTECODE=1 \
	SLUICE_E2E_SLOW=$(if $(filter asan tsan debug,$(FLAVOUR)),3,1)
# E2E="chat tls" limits e2e to the files with these words in their names. What the files from 80 on measure,
# memory and delays, a sanitizer changes.
E2E ?= $(if $(filter asan tsan,$(FLAVOUR)),_1 _2 _3 _4 _5 _6 _7 _sim)
E2E_JOBS ?= 1

.PHONY: check asan tsan valgrind e2e soak clients faults fuzz fuzz-build demo
check: $(UNIT)
	@$(PYTHON) tests/run_units.py --jobs $(JOBS) $(UNIT)

asan tsan:
	@$(MAKE) --no-print-directory FLAVOUR=$@ check

# A debug build: optimised code makes memcheck's reports hard to place.
valgrind:
	@$(MAKE) --no-print-directory FLAVOUR=debug valgrind-run
.PHONY: valgrind-run
valgrind-run: $(UNIT)
	@UNIT_SLOW=1 $(PYTHON) tests/run_units.py --jobs $(JOBS) --timeout 600 --wrap "valgrind -q --leak-check=full \
		--show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect \
		--track-fds=no --error-exitcode=99" $(UNIT)

e2e: all
	@$(E2E_ENV) $(PYTHON) tests/run_e2e.py --jobs $(E2E_JOBS) tests/e2e $(E2E)

# For a night: a hundred thousand requests, the crowd, ten minutes of each fuzzer.
soak: all
	@FLAT_FACTOR=10 $(E2E_ENV) $(PYTHON) tests/run_e2e.py --timeout 7200 tests/e2e _80 _81
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=600

# The official clients; CLIENTS="openai_chat" limits it like E2E does.
clients: all
	@$(E2E_ENV) $(PYTHON) tests/clients/run.py --venv $(BUILD)/clients-venv $(CLIENTS)

# The table of provider faults.
faults: all
	@$(E2E_ENV) $(PYTHON) tests/e2e/faults.py

fuzz:
	@$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz-run
fuzz-build:
	@$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz-programs
.PHONY: fuzz-run fuzz-programs
fuzz-programs: $(FUZZ)
fuzz-run: $(FUZZ)
	@$(PYTHON) tests/run_fuzz.py --seconds $(FUZZ_SECONDS) --jobs $(JOBS) $(FUZZ)

# BENCH_QUICK=1: a rough look in a minute; BENCH_REPS=9: more repetitions; BENCH_ONLY=json,memory.
bench: all $(BENCH)
	@$(O)/bench/bench_ledger
	@$(O)/bench/bench_span
	@$(E2E_ENV) BENCH=$(abspath $(O))/bench $(PYTHON) tests/bench/bench.py \
		--out $(BUILD)/bench/results.json

demo: all
	packaging/demo.sh

# ---- Rules of the house --------------------------------------------------------------------------

FORMATTED := $(wildcard cache/*.[ch] router/*.[ch] optimizer/*.[ch] gateway/*.[ch] tests/*/*.[ch])
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14

.PHONY: format format-check layers unused tidy cppcheck
format:
	$(CLANG_FORMAT) -i $(FORMATTED)
format-check:
	@$(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)

# All three are run, whatever the first says.
layers:
	@status=0; \
	$(PYTHON) tests/lint/layers.py $(ALL_SRC) || status=1; \
	$(PYTHON) tests/lint/bans.py || status=1; \
	$(PYTHON) tests/lint/headers.py $(CC) -std=c11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(WARNINGS) \
		|| status=1; \
	exit $$status

unused: $(call obj,$(SRC) $(SIM_SRC) $(UNIT_SRC) $(BENCH_SRC) $(LOAD_SRC))
	@$(PYTHON) tests/lint/unused.py $(NM) $^

# A file is looked at again when its object is compiled again, that is, when it or a header changed.
TIDIED := $(patsubst %.c,$(O)/tidy/%.ok,$(SRC) $(SIM_SRC))
tidy: $(TIDIED)
$(TIDIED): $(O)/tidy/%.ok: %.c $(O)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY)
	$(Q)$(CLANG_TIDY) --quiet $< -- -std=c11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(DEFINES) 2>$@.err \
		|| { cat $@.err; exit 1; }
	@touch $@

# What is suppressed cppcheck gets wrong, and clang-tidy, UBSan or valgrind get right: loops of uthash
# (uninitvar), NULL at the end of arguments (varFuncNullUB), pointers that a call changes
# (nullPointerRedundantCheck), sums that a condition rules out (nullPointerArithmetic), compound
# literals (internalAstError).
CPPCHECK_WRONG := uninitvar varFuncNullUB nullPointerRedundantCheck nullPointerArithmetic \
	internalAstError
cppcheck:
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		$(CPPCHECK_WRONG:%=--suppress=%) --error-exitcode=1 -j $(JOBS) -I. $(SRC) $(SIM_SRC)

# ---- The rest ------------------------------------------------------------------------------------

.PHONY: install clean help
install: all
	install -D -m 755 $(O)/sluice $(DESTDIR)$(PREFIX)/bin/sluice
	install -D -m 644 packaging/sluice.yaml $(DESTDIR)$(PREFIX)/share/sluice/sluice.yaml

clean:
	rm -rf $(BUILD)/release $(BUILD)/debug $(BUILD)/clang $(BUILD)/asan $(BUILD)/tsan \
		$(BUILD)/fuzz $(BUILD)/musl $(BUILD)/i386 $(BUILD)/sluice $(BUILD)/sim

help:
	@echo 'all check e2e clients faults soak  asan tsan valgrind  fuzz fuzz-build  bench demo install'
	@echo 'layers unused format-check tidy cppcheck format clean  FLAVOUR= BUILD= CC= WERROR=1 FUZZ_SECONDS='
