# SPDX-License-Identifier: MIT
# A thin face: meson builds, tools/check.py tests, scripts/ does the rest.

PORT ?= 2049
PYNFS_DIR ?=
BENCH ?=

.PHONY: all build run check check-pynfs bench docs format format-check clean

all: build

build:
	@[ -f build/build.ninja ] || meson setup build --buildtype=release \
		-Ddebug=true -Dtests=false
	@ninja -C build

# Everything from nothing: install, build, serve ./demo/export.
run:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory build
	@exec scripts/serve-demo $(PORT)

# Everything CI runs.  ONLY="asan system" chooses parts, see tools/check.py.
check:
	@scripts/install-deps check
	@python3 tools/check.py $(ONLY)

# PYNFS_DIR=/path/to/pynfs, a checkout of github.com/kofemann/pynfs.
check-pynfs: build
	@scripts/install-deps pynfs
	@python3 tests/system/pynfs.py "$(PYNFS_DIR)"

# Tables in docs/ that are made from the code.
docs: build
	@ninja -C build docs

# What Herald promises of its notifications, measured: BENCH="latency list"
# chooses, BENCH=--quick only tries it out, see tests/perf/bench.py.
bench:
	@scripts/install-deps bench
	@[ -f build-bench/build.ninja ] || meson setup build-bench \
		--buildtype=release -Ddebug=true
	@ninja -C build-bench heraldd herald tests/perf/create_cost \
		tests/perf/list_huge tests/perf/mark_memory
	@if [ "$$(id -u)" = 0 ]; then sudo=; else sudo='sudo -n'; fi; \
		$$sudo python3 tests/perf/bench.py $(BENCH)

SOURCES = find src tests -name '*.[ch]' -print0
FORMAT = xargs -0 -r clang-format-14

format:
	@$(SOURCES) | $(FORMAT) -i

format-check:
	@$(SOURCES) | $(FORMAT) --dry-run -Werror

clean:
	rm -rf build build-asan build-tsan build-fuzz build-bench
