# `make run` and `make test` are all that a newcomer needs; each sets up what it uses.

PORT ?= 8080
HOST ?= 127.0.0.1
PYTEST = .venv/bin/coverage run -m pytest -q
# Tests that kill, freeze and flood real processes have deadlines: they run one after the other.
SERVICE_TESTS = tests/e2e tests/hostile
# Browsers, commands and foreign clients mostly wait for their own start: two files at once, each with servers of its own.
CLIENT_TESTS = tests/page tests/commands tests/clients
UNIT_TESTS = $(filter-out $(SERVICE_TESTS) $(CLIENT_TESTS) tests/__pycache__ tests/support.py tests/redis_server.py tests/postgres_server.py,$(wildcard tests/*))

.PHONY: help setup setup-dev run page-dev check fix test chaos bench lock clean

help:
	@echo 'make run    serve on http://$(HOST):$(PORT) (PORT= and HOST= change it)'
	@echo 'make test   everything: format, lint, types, and all tests'
	@echo 'make check  the quick gate: format, lint, types, unit tests'
	@echo 'make fix    format, and mend what the linter can mend'
	@echo 'make chaos  replicas that die, freeze and drain for half an hour (SEED=N repeats a run)'
	@echo 'make bench  the benchmarks'
	@echo 'make page-dev  the page that follows its sources, beside `make run` (OUTCROP_URL= for another gateway)'
	@echo 'make lock   renew the lock files from pyproject.toml'

setup:
	@sh scripts/setup.sh run

setup-dev:
	@sh scripts/setup.sh dev

run: setup
	@.venv/bin/outcrop serve --host $(HOST) --port $(PORT)

# A page that can not be built is no reason not to mend it: only what is missing is set up.
page-dev: $(if $(wildcard .venv/bin/python),,setup-dev)
	@sh scripts/page.sh dev

check: setup-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	@sh scripts/page.sh check
	.venv/bin/pytest -q -n 2 $(UNIT_TESTS)

fix: setup-dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	@sh scripts/page.sh fix

test: setup-dev
	@sh scripts/services.sh
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	@sh scripts/page.sh check
	.venv/bin/coverage erase
	$(PYTEST) -n 2 $(UNIT_TESTS)
	$(PYTEST) $(SERVICE_TESTS)
	$(PYTEST) -n 2 --dist loadfile $(CLIENT_TESTS)
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report --skip-covered

# The short forms of these are in `make test`.
chaos: setup-dev
	@sh scripts/services.sh
	.venv/bin/python -m tests.e2e.chaos $(if $(SEED),--seed $(SEED))

bench: setup-dev
	.venv/bin/python -m benchmarks

lock: setup-dev
	sh scripts/lock.sh

clean:
	rm -rf .venv .uv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist ui/node_modules src/outcrop/server/built
