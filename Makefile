# Everything one types in a clone. Prerequisites: git, make, python3 (3.11 or newer) with venv. `make test` also wants root, Python 3.9
# and both halves of the supported range (3.11; 3.12 or 3.13), on the path or in pyenv; where one is missing it says so and fails.
PYTHON ?= python3
STACK ?= embedded

VENV := .venv
SECOND := .venv-second
# One interpreter and one path for every recipe; the tools of the environment come first.
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Where it is set every start of Ansible compiles it anew, which takes longer than most of what is tested.
unexport PYTHONDONTWRITEBYTECODE

# Written when a set of requirements is installed, so that a warm run does not ask pip.
FOR_DEMO := $(VENV)/.requirements-demo
FOR_UNITS := $(VENV)/.requirements-units
FOR_TEST := $(VENV)/.requirements
FOR_SECOND := $(SECOND)/.requirements-units

# Bytecode is written when a file is first imported; compiling 25,000 files that nobody imports takes longer.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile --requirement
PYTEST := -m pytest
# Integration tests that need no engine, so that they run beside those that do: all that use the one embedded stack.
WITHOUT_ENGINE := $(addprefix tests/integration/,announce faults report) \
	$(addprefix tests/integration/window/,$(addsuffix .py,test_clients test_embedded test_guard test_interrupted test_refusals))
# deploy makes what belongs to root on its target, which is this machine.
SCENARIOS := --all$(if $(filter 0,$(shell id -u)),, --exclude deploy)
# What a run of tests leaves for tests/gates/run.py, which adds the figures up.
REPORT = --junit-xml reports/test/$@.xml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo demo-second test test-slow test-faults stack stack-down images lint sanity units units-second artefact resolution \
	molecule integration integration-embedded bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(FOR_DEMO) ## one maintenance window on real servers, from start to report (STACK=embedded or docker)
	@$(PY) examples/stack/demo.py --kind $(STACK)

demo-second: $(FOR_DEMO) $(FOR_SECOND) ## the same with the other supported ansible-core
	@PATH="$(CURDIR)/$(SECOND)/bin:$$PATH" $(SECOND)/bin/python examples/stack/demo.py --kind $(STACK)

stack: $(FOR_DEMO) ## the example application, up and filled with data (STACK=embedded or docker)
	@$(PY) examples/stack/stack.py up --kind $(STACK)

stack-down: $(FOR_DEMO) ## what `make stack` brought up, down again, and nothing left behind
	@$(PY) examples/stack/stack.py down

test: $(FOR_TEST) ## every gate; half an hour on two cores
	@$(PY) tests/gates/run.py

test-slow: $(FOR_TEST) ## what is too long for `make test`; FAULTS_SEED=<number> repeats a run's random moments
	$(PY) $(PYTEST) -m slow tests/integration $(REPORT)

test-faults: $(FOR_TEST) ## programs killed, files damaged, full disks: what is too long for `make test`; writes docs/faults.md
	@status=0; $(PY) $(PYTEST) -m '(faults or dozen) and not slow' tests/integration $(REPORT) || status=$$?; \
	  $(PY) tests/integration/faults/document.py reports/test/$@.xml && exit $$status

images: $(FOR_DEMO) ## the engine and the images that most tests run on; the others are built when a test asks
	$(PY) tests/images/engine.py ensure
	$(PY) tests/images/build.py

lint: $(FOR_TEST) ## ansible-lint (production profile), yamllint, ruff
	@status=0; for tool in 'ruff check --quiet' 'ruff format --quiet --check' 'yamllint --strict .' 'ansible-lint -q'; do \
	  echo "$$tool"; $$tool || status=1; done; exit $$status

sanity: $(FOR_TEST) ## ansible-test sanity
	$(PY) tests/gates/sanity.py

units: $(FOR_UNITS) ## unit tests
	$(PY) $(PYTEST) tests/unit $(REPORT)

units-second: $(FOR_SECOND) ## unit and resolution tests with the other supported ansible-core
	$(SECOND)/bin/python $(PYTEST) tests/unit tests/integration/resolution $(REPORT)

artefact: $(FOR_TEST) ## the built collection is what Galaxy's importer accepts
	$(PY) tests/gates/artefact.py

resolution: $(FOR_TEST) ## every way in which amanat.dbops is found
	$(PY) $(PYTEST) tests/integration/resolution $(REPORT)

molecule: $(FOR_TEST) images ## the roles on containers, looked at with testinfra; deploy as root only
	molecule test $(SCENARIOS)
	@test "$(SCENARIOS)" = --all || { echo '[root-missing] The scenario deploy was not run. Next: run this as root'; exit 1; }

integration: $(FOR_TEST) images ## deploys, windows, backups, migrations, seeds, stamps, reports and stacks on containers
	$(PY) $(PYTEST) -m 'not slow and not faults' tests/integration --ignore tests/integration/resolution \
	  $(addprefix --ignore ,$(WITHOUT_ENGINE)) $(REPORT)

integration-embedded: $(FOR_TEST) ## windows on this machine's own processes, and the report in a browser
	$(PY) $(PYTEST) -m 'not slow and not faults' $(WITHOUT_ENGINE) $(REPORT)

bench: $(FOR_TEST) ## benchmarks; most against what people do by hand
	$(PY) benchmarks/run.py

clean: ## environments, caches, reports and figures
	rm -rf $(VENV) $(SECOND) .cache .ansible .pytest_cache .ruff_cache .hypothesis reports artifacts benchmarks/results

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo '[python-too-old] $(PYTHON) is missing or older than 3.11; nothing was installed. Next: make $(MAKECMDGOALS) PYTHON=python3.12'; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { \
	  echo '[venv-missing] $(PYTHON) cannot make environments; nothing was installed. Next: install its venv package (Debian: python3-venv)'; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

$(FOR_DEMO): tests/requirements-demo.txt | $(VENV)/bin/python
	$(PY) $(PIP_INSTALL) $<
	@touch $@

$(FOR_UNITS): tests/requirements-units.txt $(FOR_DEMO)
	$(PY) $(PIP_INSTALL) $<
	@touch $@

$(FOR_TEST): tests/requirements.txt $(FOR_UNITS)
	$(PY) $(PIP_INSTALL) $<
	@touch $@

$(FOR_SECOND): tests/requirements-units.txt tests/requirements-demo.txt | $(FOR_TEST)
	@test -n "$$($(PY) tests/gates/pythons.py second)" || { \
	  echo '[second-python-missing] no second Python (3.11, 3.12 or 3.13) is on the path or in pyenv. Next: install one'; exit 1; }
	"$$($(PY) tests/gates/pythons.py second)" -m venv --clear $(SECOND)
	$(SECOND)/bin/python $(PIP_INSTALL) $<
	@touch $@
