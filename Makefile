# The commands of this repository; `make help` lists them. Each environment is made when it is needed and again
# only when something that it is made from has changed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench fuzz clean

PYTHON ?= python3
ARGS ?=
# Two -q: errors only.
PIP := -m pip --disable-pip-version-check --no-input install -qq

build := pyproject.toml CMakeLists.txt $(shell find csrc -type f)
package := README.md LICENSE $(shell find src/sonant -type f -not -name '*.pyc' -not -name _native.pyi)

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv-runtime/installed ## transcribe a real recording with the bundled model (no torch is installed)
	@.venv-runtime/bin/python examples/demo.py

test: .venv/installed ## install everything and run the tests; ARGS="-k words" chooses
	@.venv/bin/python -m pytest $(ARGS)

lint: .venv/installed src/sonant/_native.pyi ## ruff, pyright and the import contract
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright
	@.venv/bin/lint-imports

format: .venv/installed ## mend what ruff can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: .venv/installed ## every claim of speed, measured beside its peers
	@for file in benchmarks/*.py; do echo "== $$file"; .venv/bin/python "$$file" $(ARGS); done

fuzz: build/fuzz/readers ## the core's readers under sanitizers, on broken files; SECONDS=60 in all, ARGS=arpa one reader
	@ASAN_OPTIONS=max_allocation_size_mb=1024:hard_rss_limit_mb=4096 build/fuzz/readers $(SECONDS) build/fuzz $(ARGS)

clean: ## remove the environments and everything that was built
	rm -rf .venv .venv-runtime build dist src/sonant/_native.pyi .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The runtime tier as a user gets it: a wheel and its dependencies, nothing else.
.venv-runtime/installed: $(build) $(package) requirements/system.sh
	@requirements/system.sh $(PYTHON)
	@echo "installing the runtime tier into .venv-runtime (the native core is built: about a minute)"
	@test -x .venv-runtime/bin/python || $(PYTHON) -m venv .venv-runtime
	@.venv-runtime/bin/python $(PIP) .
	@touch $@

# Everything, with src/ in place: an edit of Python needs no new installation, an edit of csrc/ does.
.venv/installed: $(build) requirements/system.sh requirements/torch.txt
	@requirements/system.sh $(PYTHON) sox flac graphviz
	@echo "installing all tiers and the developers' tools into .venv (torch first: some minutes, once)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python $(PIP) -r requirements/torch.txt
	@.venv/bin/python $(PIP) -e '.[dev]'
	@touch $@

# The readers and the rooms of the core that they are in; main.cpp says what is tried.
fuzzed := $(wildcard csrc/*.cpp csrc/files/*.cpp csrc/fst/*.cpp csrc/lm/*.cpp) csrc/fsa/text.cpp
fuzz_objects := $(fuzzed:csrc/%.cpp=build/fuzz/%.o) build/fuzz/main.o build/fuzz/readers.o
fuzz_flags := -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Icsrc
SECONDS ?= 60

build/fuzz/readers: $(fuzz_objects)
	@$(CXX) $(fuzz_flags) $^ -pthread -o $@

build/fuzz/%.o: csrc/%.cpp $(wildcard csrc/*.h csrc/*/*.h)
	@mkdir -p $(@D)
	@$(CXX) $(fuzz_flags) -c $< -o $@

build/fuzz/%.o: tests/fuzz/%.cpp tests/fuzz/readers.h $(wildcard csrc/*.h csrc/*/*.h)
	@mkdir -p $(@D)
	@$(CXX) $(fuzz_flags) -c $< -o $@

# What the type checker sees of the native core.
src/sonant/_native.pyi: .venv/installed
	@.venv/bin/python -m nanobind.stubgen -q -m sonant._native -o $@
