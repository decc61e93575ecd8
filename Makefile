# Two commands: `make demo` runs the main job, `make test` runs the tests. Both make the environment if need be.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run in so many processes, each of which takes up to 4 GB. Each benchmark runs once then, tiny: `make benchmark` measures.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal --benchmark-disable
STAMP := $(VENV)/.installed
# An editable install of several roots is found by an import hook, which type checkers do not run: they read this file of paths.
SOURCES := harness plugins fakestormer_plugin baselines

.PHONY: install demo test test-fast lint benchmark clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --editable '.[dev]'
	for folder in $(SOURCES); do echo "$(CURDIR)/$$folder"; done \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dfbench_sources.pth"
	touch $(STAMP)

demo: install
	$(BIN)/dfbench run --detector fakestormer --detector frame_cnn --detector fakestormer-untrained --detector chance --protocol cross-dataset
	$(BIN)/dfbench leaderboard
	$(BIN)/dfbench demo-figures

test: install
	$(PYTEST)

test-fast: install
	$(PYTEST) -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmark: install
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --full-depth

clean:
	rm -rf $(VENV)
