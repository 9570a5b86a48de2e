# One command a task. `make up` needs Python 3.11 to 3.14 and nothing else; `make` alone lists what there is.
# Every path is relative, so that a clone may lie in a folder with any name.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BEGAN := $(shell date +%s)
RUN := .venv/bin/python -m
PYTEST := $(RUN) pytest

# What is tested and checked, of the tree: `make unit TESTS=tests/unit/wire` runs a part.
TESTS ?=

help: ## list the tasks
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' Makefile | while IFS='|' read -r task words; do \
	    printf '%-22s %s\n' "$$task" "$$words"; done

up: ## install, start Kafka, Valkey, the API and the workers, deploy the example, call it; Ctrl-C stops all
	@sh scripts/environment.sh run
	@exec env PANINI_UP_BEGAN=$(BEGAN) $(RUN) panini up

test: environment ## everything: lint, types, all tests with coverage
	@exec $(RUN) scripts.gate

lint: environment ## ruff's rules, its format, and the floors of the house
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@.venv/bin/python -c 'import sys; from importlinter import cli; sys.exit(cli.lint_imports())'

types: environment ## mypy, strict, over the tests too
	@$(RUN) mypy

unit: environment ## tests of one package at a time, without a server
	@$(PYTEST) $(or $(TESTS),tests/unit tests/architecture)

contract: environment ## one suite for each double and the real thing it stands for
	@$(PYTEST) $(or $(TESTS),tests/contract)

integration: environment ## tests on a real Kafka and a real Valkey
	@$(PYTEST) $(or $(TESTS),tests/integration)

e2e: environment ## tests of whole processes, the pages of docs/ included
	@$(PYTEST) $(or $(TESTS),tests/e2e tests/docs)

faults: environment ## tests that kill things, JOBS=100000 of them under fire; SEED= tells a run again
	@PANINI_FAULTS_JOBS=$(or $(JOBS),100000) PANINI_FAULTS_SEED=$(SEED) $(PYTEST) -rP $(or $(TESTS),tests/faults)

bench: environment ## what a job costs, on a stack of its own, in a few minutes
	@exec $(RUN) benchmarks.run

bench-peers: environment ## the same, beside other Python job systems
	@exec $(RUN) benchmarks.run --peers

screenshots: environment ## pictures of every page, in docs/screenshots
	@exec $(RUN) docs.screenshots

docs: environment ## write the pages that come from the code
	@$(RUN) scripts.settings_page
	@$(RUN) scripts.metrics_page

fmt: environment ## put the tree into the one format
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

lock: environment ## pin every dependency anew: requirements.lock and requirements-dev.lock
	@sh scripts/lock.sh

clean: ## remove the environment and every cache; what the stack keeps (.panini) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@sh scripts/environment.sh dev

.PHONY: help up test lint types unit contract integration e2e faults bench bench-peers screenshots docs fmt lock clean environment
