# Each target does its own set-up from a bare checkout: a .venv with what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
MIN := .venv-min

.PHONY: demo test test-min test-all lint bench clean

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	$(UV) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(UV) -e . --group dev
	@touch $@

# Emptied first: what is installed would be kept where it satisfies a newer floor.
$(MIN)/.ready: pyproject.toml $(VENV)/.base
	$(PYTHON) -m venv --clear --without-pip $(MIN)
	$(BIN)/uv pip install --quiet --python $(MIN)/bin/python --resolution lowest-direct \
		-e ".[langchain,llamaindex]" --group frameworks
	@touch $@

demo: $(VENV)/.base
	$(BIN)/omnimemory demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow"

test-min: $(MIN)/.ready
	$(MIN)/bin/python -m pytest tests/langchain tests/llamaindex

test-all: test-min $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.frameworks
	$(BIN)/python -m benchmarks.service

clean:
	rm -rf $(VENV) $(MIN) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
