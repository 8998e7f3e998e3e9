# From a fresh clone: `make demo` or `make test`. Each sets up what it needs.

PYTHON ?= python3
export PYTHON
CAPMIN := .venv/bin/capmin
WORKLOADS := $(patsubst workloads/%/workload.toml,%,$(wildcard workloads/*/workload.toml))

# Those of which Docker is asked, too: its answers have to be the same.
ON_DOCKER := nginx postgres board-node board-mariadb

.PHONY: help setup setup-dev packages packages-dev demo test lint bench results results-docker clean
.DEFAULT_GOAL := help

help:
	@echo 'make setup     virtual environment with .venv/bin/capmin, and the programs that it uses'
	@echo 'make demo      build the nginx workload and search it on the runc engine: results/nginx'
	@echo 'make test      everything that CI runs: linters, types, all tests on the real engines'
	@echo 'make lint      linters and types only'
	@echo 'make bench     what a trial costs, and trials against the lower bound'
	@echo 'make results   search every workload anew: results/*'
	@echo 'make results-docker  some of them on Docker, too, in under an hour: results/*-docker'
	@echo 'make clean     remove what make made, results apart'

setup: packages .venv/.installed

setup-dev: packages-dev .venv/.installed-dev

packages:
	@.ci/setup-packages python3-venv runc skopeo umoci mmdebstrap

packages-dev: packages
	@.ci/setup-packages dockerd chromium chromedriver apparmor_parser crun podman systemd-analyze systemd-nspawn

# `| packages`: python3-venv must be there first, but it is no reason to install anew.
.venv/.installed: pyproject.toml .ci/setup-venv | packages
	@.ci/setup-venv
	@touch $@

# Holds all of the above, so that one installation does for both.
.venv/.installed-dev: pyproject.toml .ci/setup-venv | packages
	@.ci/setup-venv dev
	@touch $@ .venv/.installed

demo: setup
	$(CAPMIN) workload build nginx
	$(CAPMIN) search --workload workloads/nginx --engine runc --fresh --output results/nginx

test: setup-dev
	@.ci/test

lint: setup-dev
	@.ci/lint

bench: setup-dev
	@.ci/with-docker .venv/bin/python -m tests.benchmarks

results: setup $(WORKLOADS:%=result-%)

result-%: setup
	$(CAPMIN) workload build $*
	$(CAPMIN) search --workload workloads/$* --engine runc --fresh --output results/$*

results-docker: setup $(ON_DOCKER:%=result-docker-%)

# A modern daemon of its own, which can observe; see .ci/with-docker. It mostly waits, and two trials can do so.
result-docker-%: setup
	.ci/with-docker sh -c 'DOCKER_HOST=$$CAPMIN_TEST_DOCKER_MODERN exec $(CAPMIN) search --workload workloads/$* \
		--engine docker --workers 2 --fresh --output results/$*-docker'

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
