# Needs python3 (3.11 or newer) with pip and venv, and make. Everything else is installed into $(VENV).

PYTHON ?= python3
VENV ?= .venv
# Processes that run tests side by side. Each may hold torch, Open3D and COLMAP: count 1.5 GB a process.
WORKERS ?= 2
# How long `make fuzz` takes.
SECONDS ?= 3600
# More for pytest, e.g. make test PYTEST="-k geometry -x".
PYTEST ?=
# How often each command is killed, and its writes fail, by make reliability.
TRIES ?= 100

BIN := $(VENV)/bin
PACKAGING := pyproject.toml setup.cfg constraints.txt
# Touched when an installation is complete, so that it is not repeated before the packaging changes.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

# Without build isolation, the setuptools of constraints.txt builds the package, and nothing is fetched for it twice.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation -c constraints.txt

# One thread a process: the processes themselves keep the cores busy. A file's tests stay together, for they share scenes,
# and files in their order: the end-to-end tests, few and long, would else come last and leave a core idle.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
RUN_TESTS := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	--durations 25

.PHONY: help install dev demo test test-fast test-oldest fuzz lint format reliability clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv and install sfm into it: .venv/bin/sfm is then ready.

dev: $(INSTALLED_DEV) ## The same, with what tests and linters need.

demo: $(INSTALLED) ## Install, then render a street, map it and compare the map with the truth.
	$(BIN)/sfm demo

test: $(INSTALLED_DEV) ## Install, then run every test.
	$(RUN_TESTS) $(PYTEST)

test-fast: $(INSTALLED_DEV) ## Install, then run the tests that are not marked slow.
	$(RUN_TESTS) -m "not slow" $(PYTEST)

fuzz: $(INSTALLED_DEV) ## Install, then fuzz the readers of files for SECONDS=3600; findings are kept in build/fuzz.
	$(ONE_THREAD) $(BIN)/python -m tests.fuzz_readers $(SECONDS)

# What pip takes for newer elsewhere (torch, SciPy, ...) stays as constraints.txt has it.
test-oldest: $(PACKAGING) constraints-oldest.txt ## Run the fast tests on the oldest allowed versions, in $(VENV)-oldest.
	$(PYTHON) -m venv $(VENV)-oldest
	grep -vE '^(numpy|opencv-python|pycolmap|pillow)==' constraints.txt > $(VENV)-oldest/constraints.txt
	cat constraints-oldest.txt >> $(VENV)-oldest/constraints.txt
	$(VENV)-oldest/bin/python -m pip install --disable-pip-version-check --quiet \
		-c $(VENV)-oldest/constraints.txt setuptools
	$(VENV)-oldest/bin/python -m pip install --disable-pip-version-check --no-build-isolation \
		-c $(VENV)-oldest/constraints.txt -e '.[dev]'
	$(ONE_THREAD) $(VENV)-oldest/bin/python -m pytest -m "not slow" $(PYTEST)

# An editable install maps cli/ and pipelines/ into the package by an import hook, which mypy does not follow.
# So mypy looks at a plain install. What an earlier build left in build/ would be packed again: it goes first.
lint: $(INSTALLED_DEV) ## Check format, style and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf build/lib build/lint
	$(INSTALL) --quiet --no-deps --target build/lint .
	cd build/lint && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml \
		--cache-dir $(CURDIR)/.mypy_cache/installed -p sfm

format: $(INSTALLED_DEV) ## Format the code and repair what ruff can.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reliability: $(INSTALLED_DEV) ## Kill commands and let their writes fail, TRIES=100 times each; write docs/reliability.md.
	$(ONE_THREAD) $(BIN)/python -m benchmarks.kill --tries $(TRIES)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.failing_writes --tries $(TRIES)

clean: ## Remove what building, linting and testing left; .venv stays.
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 -m venv failed: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }

$(INSTALLED): $(PACKAGING) | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt setuptools
	$(INSTALL) -e .
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(INSTALL) -e '.[dev]'
	touch $@
