# make run · make test · make check — everything needed is installed into .venv on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVICES := $(patsubst %/,%,$(wildcard services/*/))
SOURCES := chassis gateway cli bench proto/gen proto $(SERVICES)
empty :=
export MYPYPATH := $(subst $(empty) $(empty),:,$(SOURCES))
DATA_DIR ?= .crm
HTTP_PORT ?= 8080
GRPC_PORT ?= 9090
SECONDS ?= 600
MINUTES ?= 30

.DEFAULT_GOAL := help
.PHONY: help setup paths generate run test bench compare eval-score eval-dedupe fuzz chaos soak pgbouncer helm images goldens check format lock openapi docs revision new-service clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready paths ## the environment in .venv, from requirements.lock, hashes checked

$(VENV)/.ready: requirements.lock Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make environments; install its venv module (Debian: python3-venv)"; exit 1; }
	@echo "Installing what requirements.lock names (the first time takes about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@printf '#!/bin/sh\nexec "%s" -m crmctl "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/crmctl && chmod +x $(BIN)/crmctl
	@touch $@

paths: $(VENV)/.ready
	@for site in $(VENV)/lib/python3*/site-packages; do printf '%s\n' $(abspath $(SOURCES)) > $$site/crm-suite.pth; done

generate: setup ## proto/gen: Python modules and crm.binpb, from proto/crm
	@$(BIN)/python proto/generate.py

run: generate ## the whole suite on this machine, with a small sample company (SAMPLE=0: empty)
	@exec $(BIN)/crmctl up --data-dir $(DATA_DIR) --http-port $(HTTP_PORT) --grpc-port $(GRPC_PORT)

test: generate ## every test, on real Postgres, NATS and gRPC
	@$(BIN)/python -m pytest $(ARGS)

fuzz: generate ## every operation with nonsense, for some minutes (FUZZ_EXAMPLES=20 SEED=1)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20} FUZZ_PHASES=examples,coverage,fuzzing,stateful \
		$(BIN)/python -m pytest -s tests/fuzz

chaos: generate ## the suite under load and faults, then the checker: make chaos SECONDS=600 SEED=7
	@cd tests && ../$(BIN)/python -m failures.chaos.run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

pgbouncer: setup ## a PgBouncer for the tests that want one (Debian; needs the right to install)
	@tests/failures/deploys/install_pgbouncer.sh $(BIN)/pgbouncer

helm: setup ## a Helm for the tests of the chart that want one (links yours, or builds it where Go is)
	@tests/deploy/install_helm.sh $(BIN)/helm

images: ## the image of every part of the suite, by docker: make images TAG=1.0.0 REPOSITORY=registry.example.org/crm
	@deploy/build_images.sh $(or $(TAG),dev) $(or $(REPOSITORY),crm)

goldens: setup ## what the chart renders for each deploy/helm/crm/ci/*-values.yaml, after a change that is meant
	@$(BIN)/python deploy/values_schema.py
	@$(BIN)/python deploy/dashboards.py
	@PATH=$(CURDIR)/$(BIN):$$PATH; for values in deploy/helm/crm/ci/*-values.yaml; do \
		shape=$$(basename $$values -values.yaml); \
		helm template crm deploy/helm/crm --namespace crm --kube-version 1.34.0 --values $$values \
			> deploy/helm/crm/golden/$$shape.yaml || exit 1; done

soak: generate ## a steady load for half an hour, and whether memory stays flat: make soak MINUTES=30
	@cd tests && ../$(BIN)/python -m failures.overload.soak --minutes $(MINUTES)

bench: generate ## how fast it is, beside pgbench: make bench QUICK=1 SIZE=100000 ONLY=create,get C=1,32
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(SIZE),--size $(SIZE)) $(if $(ONLY),--only $(ONLY)) \
		$(if $(C),--connections $(C)) $(if $(WAYS),--ways $(WAYS)) $(if $(REPEAT),--repeat $(REPEAT)) \
		$(if $(BENCH_SECONDS),--seconds $(BENCH_SECONDS)) $(if $(BACKLOG),--backlog $(BACKLOG))

compare: generate ## results of the bench side by side: make compare RESULTS="before.json after.json"
	@$(BIN)/python -m bench.compare $(RESULTS)

eval-score: setup ## how good the predictive score is, on real leads: make eval-score DATA=folder TEST=folder
	@$(BIN)/python -m evaluation.score $(if $(DATA),--data $(DATA)) $(if $(TEST),--test $(TEST))

eval-dedupe: generate ## how good duplicate detection is: make eval-dedupe DATA=folder PARTS=1 SIZE=100000
	@$(BIN)/python -m evaluation.dedupe $(if $(DATA),--data $(DATA)) $(if $(PARTS),--parts) $(if $(SIZE),--size $(SIZE))

check: generate ## format, lint, types, contracts, generated files, architecture
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --no-cache . # what is first-party depends on other files, too
	@$(BIN)/mypy chassis/chassis gateway/gateway cli/crmctl bench/bench bench/evaluation $(foreach s,$(SERVICES),$(s)/$(subst -,_,$(notdir $(s))))
	@$(BIN)/buf lint proto/gen/crm.binpb --config buf.yaml
	@$(BIN)/buf breaking proto/gen/crm.binpb --against proto/baseline.binpb --config buf.yaml
	@$(BIN)/python -m gateway.openapi --check
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python deploy/values_schema.py --check
	@$(BIN)/python deploy/dashboards.py --check
	@$(BIN)/python -m pytest -q tests/architecture

format: setup ## rewrites the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

openapi: generate ## gateway/openapi.json from the contracts
	@$(BIN)/python -m gateway.openapi

docs: generate ## the generated pages in docs/ and the table in README.md
	@$(BIN)/python docs/generate.py

revision: generate ## a new migration from tables.py: make revision SERVICE=leads WHAT=add_industry
	@$(BIN)/python -m chassis.revise $(SERVICE) $(WHAT)

new-service: generate ## a new service: make new-service NAME=loyalty
	@$(BIN)/python services/new_service.py $(NAME)

lock: setup ## requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --all-extras pyproject.toml -o requirements.lock

clean: ## everything that was built or stored here
	rm -rf $(VENV) proto/gen .crm .pytest_cache .mypy_cache .ruff_cache .hypothesis
