# `make` lists the targets. They need Python 3.11 or newer, make and git.
PYTHON ?= python3
# Generated projects use this uv and build their environment with the same Python.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_PYTHON ?= $(shell $(PYTHON) -c "import sys; print(sys.executable)")
unexport VIRTUAL_ENV
LIBRARY := '{{cookiecutter.project_slug}}/packages/oauth_resource_server'

.DEFAULT_GOAL := help
.PHONY: help install demo library test test-library fuzz soak test-containers test-fast lint lock audit docs bench size

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' Makefile

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet "uv>=0.9"

install: .venv/bin/uv  ## install the locked dependencies into .venv
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Gatehouse needs Python 3.11 or newer: run, for example, make PYTHON=python3.13.')"
	uv sync --quiet

demo: install  ## generate a project into build/demo, start it, run the smoke flow, stop it
	python tests/demo.py

test: lint test-library test-containers  ## run every test; the slow tests run generated projects
	pytest -n 2 --dist loadscope --ignore tests/containers --ignore tests/swarm

test-library: install  ## run the tests of the library on Django 5.2, with branch coverage, and on Django 6.1
	python tests/library_suite.py

fuzz: install  ## fuzz each parser of the library for SECONDS (default 300)
	python tests/library_suite.py fuzz -max_total_time=$(or $(SECONDS),300)

soak: install  ## have each fault happen in turn, under load, for SECONDS (default 600)
	SOAK_SECONDS=$(or $(SECONDS),600) PYTEST_ADDOPTS=-s pytest tests/test_project.py -k every_fault_under_load

test-containers: install  ## test a generated project in containers and on a swarm; skipped without them
	pytest tests/containers
	pytest tests/swarm

test-fast: install  ## run the tests that start no service
	pytest -n 2 --dist loadscope -m "not slow"

lint: install  ## check the style, and the types and layers of the library
	ruff check . $(LIBRARY)
	ruff format --check . $(LIBRARY)
	cd tests && uv run --project library --quiet --locked mypy --config-file library/pyproject.toml --cache-dir ../build/mypy
	cd tests && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=../$(LIBRARY)/src uv run --project library --quiet --locked lint-imports --no-logo --no-cache library/pyproject.toml

audit: install  ## look for known vulnerabilities of the locked dependencies
	@found=$$(uv audit --frozen --preview-features audit-command 2>&1) && echo "$$found" || { echo "$$found"; \
	case "$$found" in *"error sending request"*) echo "audit: skipped, the source of advisories cannot be reached" ;; *) exit 1 ;; esac; }

library: install  ## build wheel and sdist of the library into build/library/
	uv build --quiet --clear --out-dir build/library $(LIBRARY)
	@ls build/library

lock: install  ## renew the lock files of generated projects and of the library's tests
	python tests/lock.py
	uv lock --quiet --upgrade --project tests/library

docs: .venv/bin/uv  ## build the pages of docs/ into build/site/; a dead link is an error
	uv run --isolated --quiet --only-group docs zensical build --clean --strict

size: install  ## count the code of a project, and update the table in the README
	python tests/size.py

bench: install  ## measure every row of benchmarks/README.md beside its reference; ONLY=B1,B2 measures some
	python benchmarks/bench.py
