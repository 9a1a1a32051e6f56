# Everything here starts from a bare python3 (3.11 or newer): the first run makes .venv, later runs start at once.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := schemas streams agents

.DEFAULT_GOAL := help
.PHONY: help venv demo observe test faults check bench bench-quick detectors precision years kafka requirements
.PHONY: bench-peers bench-growth profiles

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: runtime
runtime:
	@$(PYTHON) tools/bootstrap.py runtime

venv: ## The environment for development
	@$(PYTHON) tools/bootstrap.py dev

demo: runtime ## A year of mentoring-like data becomes interventions, on a broker that starts by itself
	@$(BIN)/ebb demo

observe: venv ## The demo with Prometheus and Alertmanager beside it, and what would reach an operator; until Ctrl-C
	@$(BIN)/python -m deploy.prometheus.observe

test: venv ## All tests; those that need a real Kafka are skipped where java or mvn is missing
	@$(BIN)/python -m pytest -n 2 --dist loadfile

FAULTS_PARALLEL ?= 2
FAULTED := tests/faults tests/integration/test_backtest_live.py tests/agents/notifier/test_crash.py \
  tests/agents/notifier/test_outage.py
FAULTS := EBB_FAULTS=full EBB_FAULTS_REPORT=.cache/faults $(BIN)/python -m pytest -q

faults: venv ## Kills, pauses, rebalances, broken brokers, disks, clocks and networks on a real Kafka, against the oracles; over an hour
	@command -v cc >/dev/null || { apt-get update -qq && apt-get install -y -qq gcc libc6-dev >/dev/null; } || true
	@rm -rf .cache/faults
	@code=0; \
	$(FAULTS) $(FAULTED) -m "not alone" -n $(FAULTS_PARALLEL) --dist loadfile || code=1; \
	$(FAULTS) tests/faults -m alone || code=1; \
	$(BIN)/python -m tests.faults.report .cache/faults; exit $$code

check: venv ## What review asks for: format, lint, types, import contracts, quick tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES) deploy tools benchmarks examples tests
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not slow and not integration"

bench: venv ## Our own figures on a real Kafka, a quarter of an hour; ARGS="--only engine" for a part; makes the pages
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: venv ## The same with small loads, in about two minutes; only shown
	@$(BIN)/python -m benchmarks --quick $(ARGS)

bench-peers: venv ## The pair job on Faust, Quix, Bytewax, Kafka Streams, Flink and our host; half an hour, needs Maven and a JDK
	@$(BIN)/python -m benchmarks.peers $(ARGS)

bench-growth: venv ## What a fact costs as pairs, programs, partitions and workers grow; three quarters of an hour
	@$(BIN)/python -m benchmarks.growth $(ARGS)

profiles: venv ## Where the time goes, by cProfile
	@$(BIN)/python -m benchmarks.profiles $(ARGS)

detectors: venv ## Figures of the detectors beside the published ones: docs/detectors.md (minutes; seeded)
	@$(BIN)/python -m benchmarks.detectors --page

precision: venv ## How often the rules are right on simulated platforms and example data: docs/precision.md (minutes; seeded)
	@$(BIN)/python -m benchmarks.precision --page

years: venv ## Bytes of state per active pair over five simulated years (a minute; seeded)
	@$(BIN)/python -m benchmarks.years

kafka: venv ## A real Kafka broker on a free loopback port, until Ctrl-C
	@$(BIN)/python -m deploy.kafka.broker

requirements: ## Pin the dependencies of pyproject.toml anew, with hashes (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate pyproject.toml --group build -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate pyproject.toml --group build --group dev -c requirements.txt -o requirements-dev.txt
