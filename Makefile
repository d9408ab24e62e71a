# `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := $(shell find vmagent_marl scenarios datasets checkpoints collectors offline -type f -not -path '*/__pycache__/*')
export OMP_NUM_THREADS ?= 1  # the networks are small: more threads only fight for the cores

.PHONY: help install demo test test-libraries lint docs bench bench-online bench-offline clean
help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.dependencies: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: PYTHON=python3.12 make ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the dependencies (a minute or two; once) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[dev]"
	@touch $@

$(INSTALLED): $(VENV)/.dependencies $(SOURCES) README.md
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	@touch $@

install: $(INSTALLED)  ## set up .venv with the package installed

demo: $(INSTALLED)  ## play, record, train and compare: the main job, into runs/demo/
	$(BIN)/vmagent-marl demo --out runs/demo

test: $(INSTALLED)  ## the tests, against the installed package, from outside of the checkout
	@outside=$$(mktemp -d) && cd $$outside && \
	$(BIN)/python -m pytest -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) -n 2 --dist loadgroup \
		-p no:cacheprovider -q $(CURDIR)/tests $(ARGS); \
	status=$$?; rm -rf $$outside; exit $$status

test-libraries: $(INSTALLED)  ## the adapters' tests, each library in its own environment (minutes, 7 GB)
	$(BIN)/python tests/adapters/environments.py $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(CURDIR) $(BIN)/lint-imports

docs: $(INSTALLED)  ## the pages, into site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(INSTALLED)  ## the benchmarks, into benchmarks/results.md
	$(BIN)/python benchmarks/speed.py --write benchmarks/results.md
	$(BIN)/python benchmarks/costs.py --write benchmarks/results.md
	$(BIN)/python benchmarks/datasets.py --write benchmarks/results.md
	$(BIN)/python benchmarks/training.py --write benchmarks/results.md
	$(BIN)/python benchmarks/offline_speed.py --write benchmarks/results.md
	$(BIN)/python -m pytest benchmarks/micro.py -q -p no:cacheprovider \
		--benchmark-columns=min,median,ops --benchmark-sort=name

bench-online: $(INSTALLED)  ## a shipped policy, trained anew and compared (minutes)
	$(BIN)/python benchmarks/online.py --write benchmarks/results.md

bench-offline: $(INSTALLED)  ## offline algorithms and estimates of their values, likewise (minutes)
	$(BIN)/python benchmarks/offline.py --write benchmarks/results.md
	$(BIN)/python benchmarks/estimation.py --write benchmarks/results.md

clean:  ## remove what was set up and made
	rm -rf $(VENV) runs dist site
