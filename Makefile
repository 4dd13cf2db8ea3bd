# Everything here works on a fresh machine with Python 3.11+ and make: the first target called
# sets the environment up in .venv, once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# NAME, TIER and ARGS reach the shell as environment variables, never as text of the command.
override NAME := $(value NAME)
override TIER := $(value TIER)
export NAME TIER
export MPLBACKEND := Agg

.PHONY: help study studies report ui list test check format bench schema gallery clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 22

study: .venv/.run ## run a study to its verdict and report: make study NAME=optimizers [TIER=full]
	@$(BIN)/harness run $${TIER:+--tier "$$TIER"} -- "$$NAME"

report: .venv/.run ## rebuild a study's report from its records: make report NAME=optimizers
	@$(BIN)/harness report -- "$$NAME"

ui: .venv/.run ## open the MLflow UI on 127.0.0.1
	@$(BIN)/harness ui

list: .venv/.run ## the studies and where they stand
	@$(BIN)/harness list

test: .venv/.dev ## the tests (no GPU, no network)
	@$(BIN)/python -m pytest -n auto

check: .venv/.dev ## lint, types and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/.dev ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev ## measure speed against the peers (minutes)
	@$(BIN)/python -m tests.benchmarks

schema: .venv/.run ## write the JSON Schema of study files for editors
	@$(BIN)/harness schema --write studies/schema.json

clean: ## remove the environment and caches; results and reports stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@echo "setting up .venv (once, about two minutes)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "harness needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml constraints.txt
	@$(PIP) --editable . && touch $@

.venv/.dev: .venv/.run
	@$(PIP) --editable '.[dev]' && touch $@
