# Every target is complete on a fresh machine with Python 3.11+ (with venv), Node 20+ with npm, and make.
# Everything is installed inside this folder: .venv, node_modules and .tools.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# uv takes the machine's certificates, and never fetches an interpreter.
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test defects bench readme check format contracts lock clean
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.runtime node_modules/.installed .tools/.bubblewrap ## sets up what is missing, then runs the demo (flags: ARGS="...")
	$(BIN)/headrace demo $(ARGS)

test: $(VENV)/.dev node_modules/.installed .tools/.bubblewrap ## sets up what is missing, then runs the whole test suite
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

defects: $(VENV)/.dev node_modules/.installed ## puts old defects back, one at a time: each must make its test fail; one: ONE=D07
	PYTHONPATH=tests $(BIN)/python -m defects $(ONE)

bench: $(VENV)/.runtime node_modules/.installed ## the measured claims of the README; one of them: ONE=name
	$(BIN)/headrace bench $(if $(ONE),$(ONE) $(if $(ARGS),$(ARGS),--json bench/results/$(ONE).json),--all --results bench/results)

readme: $(VENV)/.runtime ## rewrites what README.md quotes of bench/results/
	$(BIN)/python docs/quote_results.py

check: $(VENV)/.dev node_modules/.installed ## format, lint, types (strict), floors, artifacts fresh, docs links
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	node contracts/build.mjs --check
	node_modules/@foundry-rs/forge-linux-amd64/bin/forge fmt --check --root contracts
	$(BIN)/python docs/check_links.py
	$(BIN)/python docs/quote_results.py --check

format: $(VENV)/.dev ## formats, and repairs what lint can repair
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

contracts: node_modules/.installed ## compiles the contracts and rewrites the packaged artifacts
	node contracts/build.mjs

lock: $(VENV)/.uv ## pins the newest versions that requirements/*.in allow, with hashes
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  -o requirements/runtime.txt requirements/runtime.in requirements/build.in
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  -o requirements/load.txt requirements/load.in
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  -o requirements/dev.txt requirements/dev.in
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  -o requirements/uv.txt requirements/uv.in

clean: ## removes what the targets installed and wrote
	rm -rf $(VENV) node_modules .headrace .tools contracts/out contracts/cache

$(VENV)/.uv: requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/uv.txt
	@touch $@

# With the load test's own: every target makes the same `headrace`.
$(VENV)/.runtime: $(VENV)/.uv requirements/load.txt pyproject.toml
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/load.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# What shuts in compute jobs. Not fatal: without it the gateway refuses to start jobs, and everything else works.
.tools/.bubblewrap: requirements/bubblewrap.sh
	@mkdir -p .tools/bin
	@sh requirements/bubblewrap.sh && touch $@ || true
