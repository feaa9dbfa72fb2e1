# Every target makes or refreshes .venv by itself, and is fast the second time.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Further options, as in: make test PYTEST_ARGS="-k journal"; make lock LOCK_ARGS=--upgrade
PYTEST_ARGS ?=
LOCK_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test fast check check-rest bench lock hooks docs clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

venv: $(STAMP) ## make or refresh the virtual environment

$(STAMP): requirements/dev.txt pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) requirements/dev.txt
	@touch $@

demo: $(STAMP) ## a council of local models answers a question about this repository
	@$(BIN)/python -m naestro models pull qwen2.5-coder-0.5b qwen2.5-coder-1.5b
	@$(BIN)/python -m naestro index
	@$(BIN)/python -m naestro run docs/examples/demo.toml

test: $(STAMP) ## all tests, with coverage measured
	@rm -f .coverage .coverage.* coverage.xml
	$(BIN)/python -m pytest -n 2 --cov --cov-report= --cov-fail-under=0 $(PYTEST_ARGS)

fast: $(STAMP) ## the tests that need no model and take no five seconds
	$(BIN)/python -m pytest -n 2 -m "not engine and not slow" $(PYTEST_ARGS)

check: test check-rest ## all tests and all other checks

check-rest: $(STAMP) ## all checks but the tests; reads the coverage that `make test` left
	@$(BIN)/python tools/check.py

bench: $(STAMP) ## measure; prints a table and writes bench/results/latest.json
	$(BIN)/python -m bench

lock: $(STAMP) ## resolve the requirements anew, with hashes
	@tools/lock.sh $(BIN)/uv $(LOCK_ARGS)

hooks: $(STAMP) ## check each commit before it is made
	@$(BIN)/prek install

docs: $(STAMP) ## write the reference pages from the code and build the site
	@$(BIN)/python tools/docs.py build

clean: ## remove everything that make made
	rm -rf $(VENV) tests/acp/node/node_modules site dist build .cache coverage.xml htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis
