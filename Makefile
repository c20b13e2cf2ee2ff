# Each target is a few plain commands; README.md lists them for machines without make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
SOURCES = pyproject.toml CMakeLists.txt $(shell find src native -type f -not -name '*.pyc' -not -name '*.so')

.PHONY: demo test lint parity clients browser clean
demo: $(VENV)/.installed
	$(BIN)/resift demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

# The oracles live: torch, transformers. `make test` compares with golden values that they gave.
parity: $(VENV)/.parity
	$(BIN)/python -m pytest -n auto -m parity

# Published clients against a running server; its OpenAPI document against its answers; the frameworks with ours inside.
clients: $(VENV)/.clients
	$(BIN)/python -m pytest -m clients tests/clients tests/integrations

# The playground in headless Chromium: that of the machine, else `.venv/bin/playwright install chromium` fetches one.
browser: $(VENV)/.browser
	$(BIN)/python -m pytest -m browser tests/server/playground

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
$(VENV)/.test: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install '.[test]'
	touch $(VENV)/.installed $@
# resift itself is installed by now, so these four add the extras' packages and build nothing.
$(VENV)/.parity: $(VENV)/.test
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install 'resift[parity]'
	touch $@
# infinity's client asks for an httpx below 0.28, others for one above; it runs with today's.
$(VENV)/.clients: $(VENV)/.test
	$(BIN)/python -m pip install 'resift[clients]'
	$(BIN)/python -m pip install --no-deps infinity-client==0.0.78
	touch $@
$(VENV)/.browser: $(VENV)/.test
	$(BIN)/python -m pip install 'resift[browser]'
	touch $@
$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install 'resift[lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist
