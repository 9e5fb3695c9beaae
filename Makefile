# Everything runs inside .venv/, which `make setup` makes; nothing needs sudo.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
TOCSIN_SHARED ?= ../shared
export TOCSIN_SHARED

.PHONY: help setup run test peers lint types bench oracle e2e fmt clean

help: ## print these targets
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## make .venv with every extra and the tools of development

KERNELS := hatch_build.py $(wildcard ruler/promql/*.p[yx][xd] ruler/kernels/*/*.p[yx][xd])

$(VENV)/.run: pyproject.toml requirements.lock $(KERNELS)
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tocsin needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Adding the tools of development …"
	@$(PIP) -r requirements-dev.lock
	@touch $@

run: $(VENV)/.run ## start exporter, receiver and ruler on loopback, with data under ./data
	@exec $(BIN)/tocsin up

test: setup peers ## run every test (conformance tests use the real peers)
	$(BIN)/python -m pytest

# The real Prometheus, Alertmanager …: without them (no network, another system) their tests are skipped, visibly.
peers:
	@if [ -f $(TOCSIN_SHARED)/tools/peers.sh ]; then bash $(TOCSIN_SHARED)/tools/peers.sh > /dev/null || true; fi

oracle: setup peers ## ask 100,000 generated queries, new ones each time, of ours and of a real Prometheus
	TOCSIN_ORACLE=$${TOCSIN_ORACLE:-100000} $(BIN)/python -m pytest -s tests/ruler/promql/test_oracle.py tests/ruler/promql/test_live.py

e2e: setup ## run only the end-to-end tests
	$(BIN)/python -m pytest -m e2e

lint: setup types ## check style, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: setup ## check types alone
	$(BIN)/mypy

bench: setup peers ## measure speed and memory beside the real peers
	$(BIN)/python -m tests.bench

fmt: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other targets made (data/ stays)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
