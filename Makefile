# Everything here needs Python 3.11 or later, make and the package index; nothing is installed outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OWN := flake8_task_lifecycle tests docs/conf.py docs/generate.py
METADATA := pyproject.toml flake8_task_lifecycle/__init__.py

RUN_STAMP := $(VENV)/.installed-run
TEST_STAMP := $(VENV)/.installed-test
DEV_STAMP := $(VENV)/.installed-dev
SLOW_STAMP := $(VENV)/.installed-slow
DOCS_STAMP := $(VENV)/.installed-docs
BENCH := .venv-bench
LOW_ASTROID := .venv-low-astroid
LOW_FLAKE8 := .venv-low-flake8

.NOTPARALLEL:
.PHONY: help demo test check lint low slow bench docs clean

help:
	@echo 'make demo    flake8 with this plugin on docs/examples'
	@echo 'make test    the tests'
	@echo 'make check   types, style, floors, ourselves on ourselves, the oldest flake8 and astroid'
	@echo 'make slow    the tests that need minutes'
	@echo 'make bench   the cost, measured'
	@echo 'make docs    the pages of the rules in docs/rules, and the documentation in docs/_build/html'
	@echo 'make clean   removes what the others made'

demo: $(RUN_STAMP)
	@echo '$$ flake8 --select=TLC docs/examples'
	@$(BIN)/flake8 --select=TLC docs/examples > $(VENV)/demo.txt; test $$? -le 1
	@cat $(VENV)/demo.txt
	@diff -u docs/examples/EXPECTED $(VENV)/demo.txt || { echo 'make demo: these are not the findings in docs/examples/EXPECTED'; exit 1; }

test: $(TEST_STAMP)
	$(BIN)/python -m pytest -q -m 'not slow'

check: lint low

lint: $(DEV_STAMP)
	$(BIN)/mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/flake8 --extend-select=TLC1,TLC9 $(OWN)

low: $(LOW_ASTROID)/.installed $(LOW_FLAKE8)/.installed
	$(LOW_ASTROID)/bin/python -m pytest -q -m 'not slow'
	$(LOW_FLAKE8)/bin/python -m pytest -q -m 'not slow'

slow: $(SLOW_STAMP)
	$(BIN)/python -m pytest -q -m slow

bench: $(BENCH)/.installed
	$(BENCH)/bin/python -m tests.bench --write docs/performance.md
	$(BENCH)/bin/python tests/bench_growth.py --write docs/performance.md
	$(BENCH)/bin/python tests/bench_startup.py --write docs/performance.md
	$(BENCH)/bin/python tests/bench_memory.py

docs: $(DOCS_STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

clean:
	rm -rf $(VENV) $(BENCH) $(LOW_ASTROID) $(LOW_FLAKE8) .tox build dist docs/_build .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis

# A stamp says: installed since the metadata last changed. $(1) is the environment, the rest is what pip installs.
define install
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=...") if sys.version_info < (3, 11) else 0'
	@echo 'installing $(2) into $(1)'
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check $(2)
	@touch $@
endef

$(RUN_STAMP): $(METADATA)
	$(call install,$(VENV),-e .)

$(TEST_STAMP): $(METADATA)
	$(call install,$(VENV),-e .[test])

$(DEV_STAMP): $(METADATA)
	$(call install,$(VENV),-e .[dev])

$(SLOW_STAMP): $(METADATA)
	$(call install,$(VENV),-e .[test] -e .[slow])

$(DOCS_STAMP): $(METADATA)
	$(call install,$(VENV),-e .[docs])

$(BENCH)/.installed: $(METADATA)
	$(call install,$(BENCH),-e .[test] -e .[bench])

$(LOW_ASTROID)/.installed: $(METADATA)
	$(call install,$(LOW_ASTROID),-e .[test] astroid==4.0.0)

$(LOW_FLAKE8)/.installed: $(METADATA)
	$(call install,$(LOW_FLAKE8),-e .[test] flake8==7.0.0)
