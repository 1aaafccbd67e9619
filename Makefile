# make report | test | lab | check | coverage | calibrate | warm-equals-fresh | engines | engines-equal | lock. The environment is set up when missing or when the lock changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# uv installs ten times faster where it is at hand; pip does the same job everywhere else.
ifneq ($(shell command -v uv 2>/dev/null),)
INSTALL = uv pip install -q --compile-bytecode --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
endif

# A second BLAS thread makes the small fits here many times dearer and moves their last digits.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: report test lab check coverage calibrate warm-equals-fresh engines engines-equal lock clean

report: $(STAMP)
	$(BIN)/loyalty report $(STUDIES)

# In the order of tests/conftest.py: long files first, so that no process waits for the last one.
test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lab: $(STAMP)
	$(BIN)/jupyter lab --notebook-dir=notebooks --LabApp.default_url=/lab/tree/start.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# An hour of two cores; goes on where it was stopped.
coverage: $(STAMP)
	$(BIN)/python benchmarks/coverage.py

# Every claim on worlds whose truth is known, about an hour of two cores; goes on where it was stopped.
calibrate: $(STAMP)
	$(BIN)/python -m analysis.calibration

# Every bundled notebook in a warm and in a fresh kernel, compared byte for byte; a quarter of an hour.
warm-equals-fresh: $(STAMP)
	$(BIN)/python benchmarks/reports.py --equal

# How fast it is, beside other packages where there are any, which it installs apart; hours on two cores.
bench: $(STAMP)
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/scale.py 1_000_000
	$(BIN)/python benchmarks/variants.py

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else 'Loyalty Lab needs Python 3.11, 3.12 or 3.13, and this is %d.%d. Name another with: make PYTHON=python3.12' % v)"
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || { echo "This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), which takes some minutes and prints little."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# Everything that the extras of pyproject.toml need, for the tests that start a Postgres, a Spark or a store.
engines: $(STAMP)
	$(INSTALL) --require-hashes -r requirements-engines.lock

# Every bundled notebook on DuckDB, a PostgreSQL that is started here, and Spark; an hour or more. Needs Java and initdb.
engines-equal: engines
	$(BIN)/python benchmarks/engines.py

# Needs uv. The second file holds the extras and their tests' stores as well; the first is the part of it that all need.
LOCKED = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q
lock:
	$(LOCKED) --upgrade --group dev --group engines --all-extras -o requirements-engines.lock
	sed -n 's/^\([^ ]*==.*[^ \\]\) *\\$$/\1/p' requirements-engines.lock > .venv/pins.txt  # with their hashes uv would keep one of each
	$(LOCKED) --upgrade --group dev --constraint .venv/pins.txt -o requirements.lock

clean:
	rm -rf $(VENV) reports/site reports/.site.builds reports/runs build
