# Each target is a few plain commands; README.md lists them for machines without make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
SOURCES = pyproject.toml CMakeLists.txt $(shell find src native -type f -not -name '*.pyc' -not -name '*.so')

.PHONY: demo test lint parity clean
demo: $(VENV)/.installed
	$(BIN)/resift demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install .
	touch $@
$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install '.[test]'
	touch $@
$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install '.[lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist
