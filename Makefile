# The commands of this repository; `make help` lists them. Each environment is made when it is needed and again
# only when something that it is made from has changed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench clean

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

# What the type checker sees of the native core.
src/sonant/_native.pyi: .venv/installed
	@.venv/bin/python -m nanobind.stubgen -q -m sonant._native -o $@
