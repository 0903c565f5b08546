# One vocabulary for people and CI. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
STAMP := $(VENV)/.installed
# The first Python of a fitting version; `make PYTHON=/path/to/python3.12 install` chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& { command -v $$p; break; }; done)

# A virtual environment holds its own path: one that was moved starts the programs of its old place.
MADE_FOR := $(shell sed -nE 's/^ *(export )?VIRTUAL_ENV=["'"'"']?(\/[^"'"'"']*)["'"'"']?$$/\2/p' \
	'$(CURDIR)/$(VENV)/bin/activate' 2>/dev/null)
IS_AT := $(shell readlink -f '$(CURDIR)/$(VENV)')
ifneq ($(MADE_FOR),)
ifneq ($(MADE_FOR),$(CURDIR)/$(VENV))
ifneq ($(MADE_FOR),$(IS_AT))
MOVED := moved
endif
endif
endif

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DVC_NO_ANALYTICS := 1

# Tests run side by side, in so many processes of one thread each; `make test JOBS=0` runs them in one.
JOBS ?= 2
TESTS = OMP_NUM_THREADS=1 python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help install run repro ui test test-all test-fast check docs format params-reference clean \
	purge worker moved

help:  ## list what can be typed
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' \
	| while IFS=$$'\t' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done

install: $(STAMP)  ## make .venv with every version of requirements.lock (minutes, once)

$(STAMP): requirements.lock pyproject.toml $(MOVED)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found" \
	"(fix: install one, or run make PYTHON=/path/to/python3.11)" >&2; exit 69; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "error: $(PYTHON) cannot make a virtual environment (fix: on Debian and Ubuntu," \
	"apt install python3-venv)" >&2; exit 69; }
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

moved:
	@echo "$(VENV) was made for $(MADE_FOR) and was moved: it is made anew" >&2
	@rm -rf $(VENV)

run: install  ## the whole pipeline, through Prefect; then open reports/index.html
	@python -m flows.pipeline

repro: install  ## the same graph through DVC alone
	@dvc repro

ui: install  ## the pages of MLflow and Prefect over what the runs left
	@python -m flows.ui

worker: install  ## a worker for the Prefect server that PREFECT_API_URL names
	@python -m flows.worker

test: install  ## the tests, in JOBS=2 processes; without those marked slow
	@$(TESTS) -m "not slow" $(PYTEST)

test-all: install  ## all tests, with what is slow and rarely breaks
	@$(TESTS) $(PYTEST)

test-fast: install  ## the tests that run no whole stages
	@$(TESTS) -m "not e2e and not slow" $(PYTEST)

check: install  ## lint, format, types, who imports whom
	ruff check
	ruff format --check
	mypy
	lint-imports

docs: install  ## the site of the documentation, in site/
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict

format: install  ## mend what ruff can mend
	ruff check --fix
	ruff format

params-reference: install  ## write the pages of docs/reference anew that are made from the code
	@python -m rlp_core.params.reference
	@python -m rlp_core.params.rules_reference
	@python -m rlp_core.params.parts_reference
	@python -m rlp_core.params.metrics_reference
	@python -m rlp_core.planning.reference

clean:  ## remove caches of tools; what runs left (.rlp, models, data, reports) stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

purge:  ## remove the history in .rlp: MLflow's runs, the registry, the champion, checkpoints; asks
	@test -d .rlp || { echo "nothing to remove: there is no .rlp"; exit 0; }; \
	echo "This removes .rlp: all runs of MLflow, the model registry with its champion, Prefect's"; \
	echo "history and the checkpoints of unfinished stages. It cannot be undone. Models, data,"; \
	echo "reports and your former parameter files (.rlp/params.previous.*) stay."; \
	for lock in .rlp/locks/*.lock .rlp/flow-runs/*.lock; do \
	test ! -e "$$lock" || ! command -v flock >/dev/null \
	|| flock -n "$$lock" true || { echo "error: a run is using it ($$lock)" \
	"(fix: wait for it to end, or end it)" >&2; exit 75; }; done; \
	if test "$(YES)" != 1; then \
	test -t 0 || { echo "error: nobody to ask, so nothing is removed (fix: make purge YES=1)" >&2; \
	exit 64; }; \
	read -r -p 'Type "purge" to go on: ' said; \
	test "$$said" = purge || { echo "nothing was removed"; exit 1; }; fi; \
	find .rlp -mindepth 1 -maxdepth 1 ! -name 'params.previous.*' -exec rm -rf {} + \
	&& echo "removed"
