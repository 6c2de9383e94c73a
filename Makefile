# Tablecast. `make help` lists what there is to do; nothing here needs root, Docker or a tool beyond Python and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# The first Python that is new enough; PYTHON=... to say another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Whether there is a Java that Spark 3.5 runs on, for the demo to read Hudi with.
JAVA = $(shell "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | grep -Eo 'version "(1\.8|11|17)[."]')
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation
HOST ?= 127.0.0.1
PORT ?= 8080
TABLE ?=
TO ?=
ARGS ?=
UPGRADE ?=

.PHONY: help setup setup-demo setup-test demo serve test check format bench lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/project  ## Make .venv with the library, the command line and the service
setup-demo: $(STAMPS)/demo  ## ... and the engines that the demo reads with
setup-test: $(STAMPS)/test  ## ... and all that tests and checks need

demo: $(STAMPS)/demo $(if $(JAVA),$(STAMPS)/spark)  ## Convert a table and read all sides back (TABLE=/some/delta TO=iceberg for your own)
	@TABLE='$(TABLE)' TO='$(TO)' $(BIN)/python -m app.demo

serve: $(STAMPS)/project  ## Run the service (HOST=127.0.0.1 PORT=8080)
	@exec $(BIN)/tablecast serve --host '$(HOST)' --port '$(PORT)'

test: $(STAMPS)/test  ## Run the tests (ARGS='-k word' for some)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMPS)/test  ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: $(STAMPS)/test  ## Put the code in form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMPS)/test  ## Measure speed and memory (ARGS='--sizes 10000' for a short run)
	$(BIN)/python bench/run.py $(ARGS)

# One stamp for each lock file: what has not changed is not installed again.
$(STAMPS)/venv: requirements/build.txt
	@if [ -z '$(PYTHON)' ]; then echo 'Tablecast needs Python 3.11 or later: make PYTHON=/path/to/python3' >&2; exit 1; fi
	@$(PYTHON) -c ''
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'This Python has no venv module (on Debian and Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@if [ ! -x $(BIN)/python ]; then echo 'Making $(VENV)'; $(PYTHON) -m venv $(VENV); fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.txt $(STAMPS)/venv
	@echo 'Installing what Tablecast runs on'
	@$(INSTALL) -r $<
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/demo: requirements/demo.txt $(STAMPS)/project
	@echo 'Installing the engines of the demo'
	@$(INSTALL) -r $<
	@touch $@

$(STAMPS)/spark: requirements/spark.txt $(STAMPS)/demo
	@echo 'Installing Spark'
	@$(INSTALL) -r $<
	@touch $@

$(STAMPS)/test: requirements/test.txt $(STAMPS)/demo
	@echo 'Installing what tests need'
	@$(INSTALL) -r $<
	@touch $@

# Lock files: layers of one resolution. --universal: one file for Linux and macOS and every Python from 3.11.
UV := .cache/lock/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header $(UPGRADE)

$(UV):
	@$(PYTHON) -m venv .cache/lock && .cache/lock/bin/pip install --quiet --disable-pip-version-check uv

lock: $(UV)  ## Make the lock files anew (UPGRADE=--upgrade for the newest versions)
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml --extra test -c requirements/constraints.in -c requirements/build.txt -o requirements/test.txt
	$(COMPILE) pyproject.toml --extra demo -c requirements/test.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml --extra demo --extra spark -c requirements/test.txt -o requirements/spark.txt
	$(COMPILE) pyproject.toml -c requirements/test.txt -o requirements/runtime.txt

clean:  ## Remove the environment, caches and what runs leave behind
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info metastore_db \
		spark-warehouse derby.log
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
