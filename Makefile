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

# What the demo shows: what is trained within a minute beside FakeSTormer, a cue, and what knows nothing.
BOARD := fakestormer frame_cnn meso4 probe:efficientnet_lite0 sharpness fakestormer-untrained chance
SEEDS ?= 0 1 2

.PHONY: install demo leaderboard results test test-fast lint benchmark clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --editable '.[dev]'
	for folder in $(SOURCES); do echo "$(CURDIR)/$$folder"; done \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dfbench_sources.pth"
	touch $(STAMP)

demo: install
	$(BIN)/dfbench run $(BOARD:%=--detector %) --protocol cross-dataset
	$(BIN)/dfbench leaderboard
	$(BIN)/dfbench demo-figures

# What is there already is not computed again.
leaderboard: install
	@echo "seeds $(SEEDS): each takes about as long as make demo without its corpora (a quarter of an hour on two cores)"
	for seed in $(SEEDS); do \
		$(BIN)/dfbench run $(BOARD:%=--detector %) --protocol cross-dataset --seed $$seed || exit 1; \
	done
	$(BIN)/dfbench leaderboard --over-seeds

# Puts the runs of the demo into results/demo, and the tables that follow from them into README.md and results/README.md.
results: install
	rm -rf results/new
	$(BIN)/dfbench runs export results/new runs/*-cross-dataset-demo-*
	rm -rf results/demo
	mv results/new results/demo
	$(BIN)/python -m tests.demo_board

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
