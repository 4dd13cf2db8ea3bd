# Everything here works on a fresh machine with make and Python 3.11 or newer: the first target called
# sets the environment up in .venv, once.
# PYTHON: the first of these that is new enough, unless given.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# NAME and TIER reach the shell as environment variables, never as text of the command.
override NAME := $(value NAME)
override TIER := $(value TIER)
export NAME TIER
export MPLBACKEND := Agg
NAMED = test -n "$$NAME" || { echo "error: no study named: make $@ NAME=optimizers (make list shows them)" >&2; exit 2; }

.PHONY: help study studies ledger report ui list test check format bench schema clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 22

study: .venv/.run ## run a study to its verdict and report: NAME=optimizers [TIER=full]
	@$(NAMED)
	@$(BIN)/harness run $${TIER:+--tier "$$TIER"} -- "$$NAME"

studies: .venv/.run ## run every study that is not done yet, controls first, and write the ledger: [TIER=full]
	@$(BIN)/harness run --all $${TIER:+--tier "$$TIER"}

ledger: .venv/.run ## every claim with its verdict, on the terminal and as reports/index.html: [TIER=full]
	@$(BIN)/harness ledger --write $${TIER:+--tier "$$TIER"}

report: .venv/.run ## rebuild a study's report from its records: NAME=optimizers [TIER=full]
	@$(NAMED)
	@$(BIN)/harness report $${TIER:+--tier "$$TIER"} -- "$$NAME"

ui: .venv/.run ## open the MLflow UI on 127.0.0.1
	@$(BIN)/harness ui

list: .venv/.run ## the studies and where they stand
	@$(BIN)/harness list

test: .venv/.dev ## the tests (no GPU, no network)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto  # a worker a core: more threads only wait for one

check: .venv/.dev ## lint, types and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/.dev ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.bench ## measure speed against the peers (minutes)
	@$(BIN)/python -m tests.benchmarks

gallery: .venv/.run ## put a judged study's report into reports/gallery: make gallery NAME=optimizers
	@$(BIN)/harness report --gallery -- "$$NAME"

schema: .venv/.run ## write the JSON Schema of study files for editors
	@$(BIN)/harness schema --write studies/schema.json

clean: ## remove the environment and caches; results and reports stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: harness needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@echo "setting up .venv (once, two or three minutes)" >&2
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 2; }

.venv/.run: .venv/bin/python pyproject.toml constraints.txt
	@$(PIP) --editable . && touch $@

.venv/.dev: .venv/.run
	@$(PIP) --editable '.[dev]' && touch $@

# Ray has no wheels for some machines: its side is then left out, and the page says so.
.venv/.bench: .venv/.dev
	@$(PIP) --editable '.[bench]' || echo "note: Ray can't be installed here; benchmarks run without it" >&2
	@touch $@
