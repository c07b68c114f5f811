# Everything here works on a fresh clone with Python >= 3.11 and make. Each target installs what it lacks into $(VENV).

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
TRAINERS ?= .venvs/trainers
PRM ?= .venvs/prm
OPTIMIZERS ?= .venvs/optimizers
EVERYTHING ?= .venvs/everything
BACKENDS ?= .venvs
PYTEST_ARGS ?=
WORKERS ?= auto
DEMO_DIR ?= demo-output
DEMO_ARGS ?=
RUN ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
# Twice quiet: errors are shown, warnings about the machine's own index settings are not.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet

PACKAGES := credit_hooks adapters/credit_hooks_adapters exporters/credit_hooks_exporters
TYPED := $(PACKAGES) tests/typing

.DEFAULT_GOAL := help
.PHONY: help demo test everything backends browser trainers prm optimizers check format bench report clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## run a team of agents on 20 word problems and show who earned what
	@mkdir -p $(DEMO_DIR)
	$(BIN)/credit-hooks demo --store $(DEMO_DIR)/runs.db --report $(DEMO_DIR)/report.html $(DEMO_ARGS)

test: $(VENV)/.test ## run the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

everything: $(EVERYTHING)/.everything ## all extras and all backends' clients in one environment: it resolves, and it works
	$(EVERYTHING)/bin/python -m pytest tests/everything $(PYTEST_ARGS)

browser: $(VENV)/.browser ## look at the report in a real browser: needs chromium and chromedriver
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

trainers: $(TRAINERS)/.trainers ## train TRL's real trainers on exported files: needs torch, in an environment of its own
	$(TRAINERS)/bin/python -m pytest tests/trainers $(PYTEST_ARGS)

prm: $(PRM)/.prm ## train TRL's process-reward trainer, which only releases up to 1.13 have
	$(PRM)/bin/python -m pytest tests/trainers/test_process_reward.py $(PYTEST_ARGS)

optimizers: $(OPTIMIZERS)/.optimizers ## our credit in the real GEPA and DSPy, in an environment of its own
	$(OPTIMIZERS)/bin/python -m pytest tests/prompts_interop $(PYTEST_ARGS)

backends: $(VENV)/.browser $(BACKENDS)/phoenix/.installed $(BACKENDS)/mlflow/.installed ## send rewards to real servers of Phoenix and MLflow, and look at their pages
	CREDIT_HOOKS_PHOENIX=$(abspath $(BACKENDS))/phoenix/bin/phoenix CREDIT_HOOKS_MLFLOW=$(abspath $(BACKENDS))/mlflow/bin/mlflow \
		$(BIN)/python -m pytest tests/annotators/test_real_servers.py $(PYTEST_ARGS)

check: $(VENV)/.check ## format, lint, types, layers, then the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(TYPED)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet -n $(WORKERS) -m "not slow" $(PYTEST_ARGS)

format: $(VENV)/.check ## rewrite the sources as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench ## run every benchmark
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

report: $(VENV)/.demo ## write the report of one stored run: make report RUN=<id>
	@test -f $(DEMO_DIR)/runs.db || $(MAKE) demo
	$(BIN)/credit-hooks report $(RUN) --store $(DEMO_DIR)/runs.db -o $(DEMO_DIR)/report.html

clean: ## remove the virtual environment, caches and what the demo wrote
	rm -rf $(VENV) $(DEMO_DIR) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per set of requirements: a second `make` installs nothing. pip 25.1 brought dependency groups (PEP 735).
$(VENV)/.pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.pip
	@echo "installing credit-hooks with the demo's extras"
	@$(PIP_INSTALL) --editable ".[demo]"
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.pip
	@echo "installing credit-hooks with everything and the tests' requirements"
	@$(PIP_INSTALL) --editable ".[all]" --group test
	@touch $@ $(VENV)/.demo

$(VENV)/.check: pyproject.toml $(VENV)/.test
	@echo "installing the checkers"
	@$(PIP_INSTALL) --group check
	@touch $@

# one call of pip, hence one resolve: AutoGen pins an old protobuf that all others have to take
$(EVERYTHING)/.everything: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "installing all extras and the backends' clients into $(EVERYTHING)"
	@$(PYTHON) -m venv $(EVERYTHING)
	@$(EVERYTHING)/bin/python -m pip install --quiet --quiet --upgrade "pip>=25.1"
	@$(EVERYTHING)/bin/python -m pip install --quiet --quiet --editable ".[all]" --group backends
	@touch $@

$(VENV)/.browser: pyproject.toml $(VENV)/.test
	@echo "installing what drives a browser"
	@$(PIP_INSTALL) --group browser
	@touch $@

# torch first and by itself: what needs it later is content with the build that is there
$(TRAINERS)/.trainers: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "installing torch and TRL into $(TRAINERS)"
	@$(PYTHON) -m venv $(TRAINERS)
	@$(TRAINERS)/bin/python -m pip install --quiet --quiet --upgrade "pip>=25.1"
	@$(TRAINERS)/bin/python -m pip install --quiet --quiet "torch==2.13.0"
	@$(TRAINERS)/bin/python -m pip install --quiet --quiet --editable ".[datasets]" --group trainers
	@touch $@

$(PRM)/.prm: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "installing torch and TRL 1.13 into $(PRM)"
	@$(PYTHON) -m venv $(PRM)
	@$(PRM)/bin/python -m pip install --quiet --quiet --upgrade "pip>=25.1"
	@$(PRM)/bin/python -m pip install --quiet --quiet "torch==2.13.0"
	@$(PRM)/bin/python -m pip install --quiet --quiet --editable ".[datasets]" --group prm
	@touch $@

$(OPTIMIZERS)/.optimizers: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "installing GEPA and DSPy into $(OPTIMIZERS)"
	@$(PYTHON) -m venv $(OPTIMIZERS)
	@$(OPTIMIZERS)/bin/python -m pip install --quiet --quiet --upgrade "pip>=25.1"
	@$(OPTIMIZERS)/bin/python -m pip install --quiet --quiet --editable ".[langgraph,demo]" --group optimizers
	@touch $@

# servers only: each has many requirements, and nothing of ours is imported there
$(BACKENDS)/%/.installed: | $(VENV)/.test
	@echo "installing the server of $* into $(BACKENDS)/$*"
	@$(BIN)/python -m venv $(BACKENDS)/$*
	@$(BACKENDS)/$*/bin/python -m pip install --quiet --quiet --upgrade "pip>=25.1"
	@$(BACKENDS)/$*/bin/python -m pip install --quiet --quiet --group $*-server
	@touch $@

$(VENV)/.bench: pyproject.toml $(VENV)/.test
	@echo "installing what the benchmarks compare with"
	@$(PIP_INSTALL) --group bench
	@touch $@
