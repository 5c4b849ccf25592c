# make run: the default workflow. make test: the tests. make cluster: what a Slurm cluster needs (docs/cluster.md). All build .venv
# from the lock files when it is missing or stale.

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: run evaluate test check lint test-slow test-faults test-slurm cluster docs lock clean

run: $(VENV)/run
	snakemake

# The sorters have an environment of their own, which `snakemake evaluate` finds.
evaluate: $(VENV)/run $(VENV)-evaluation/run
	snakemake evaluate

# Two at a time; the tests of a module stay together, because they share what they read, in the order of tests/conftest.py.
PYTEST := pytest -n $(or $(WORKERS),2) --dist loadscope --no-loadscope-reorder

test: $(VENV)/test lint
	$(PYTEST)

# Before a commit: lint, and the unit tests of the packages that differ from the main branch.
check: $(VENV)/test lint
	@tests="$$(python tests/changed.py)" && if [ -n "$$tests" ]; then $(PYTEST) $$tests; else echo "No unit test to run"; fi

test-slow: $(VENV)/test
	pytest -m slow

test-faults: $(VENV)/test
	pytest -m "" tests/faults

# In an environment of its own: where Slurm's plugin is installed, it asks Slurm at every start of Snakemake. TESTS="-k same_bytes"
# runs the first test only.
test-slurm:
	$(MAKE) VENV=.venv-cluster PYTEST_ARGUMENTS='$(TESTS)' .test-slurm

.test-slurm: $(VENV)/test $(VENV)/cluster
	pytest -m slurm tests/slurm $(PYTEST_ARGUMENTS)

cluster: $(VENV)/cluster

lint: $(VENV)/test
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy
	PYTHONPATH=scripts lint-imports --no-logo
	codespell
	python docs/configuration.py --check
	snakemake --lint

# For maintainers; the graph needs Graphviz.
docs: $(VENV)/run
	python docs/configuration.py
	snakemake --rulegraph dot | dot -Tsvg > docs/rulegraph.svg

$(VENV)/run: requirements.lock
	$(call install,$<)

$(VENV)/test: requirements-test.lock
	$(call install,$<)

$(VENV)/cluster: requirements-cluster.lock
	$(call install,$<)

$(VENV)-evaluation/run: requirements-evaluation.lock
	$(call install,$<)

define install
	@case "$(CURDIR)" in *" "*) echo "Snakemake needs a path without spaces, unlike $(CURDIR)"; exit 1;; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=python3.11 run"; exit 1; }
	@for tool in g++ make; do command -v $$tool > /dev/null || \
	  { echo "$$tool is needed to compile the models' mechanisms: apt install g++ make"; exit 1; }; done
	@$(@D)/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(@D) || \
	  { rm -rf $(@D); echo "Python's venv is needed: apt install python3-venv"; exit 1; }
	@echo "Installing $(1) into $(@D), a minute or two ..."
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@touch $@
endef

# For maintainers; needs uv. The locks name versions and hashes, and no index.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-test.in -o requirements-test.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-cluster.in -o requirements-cluster.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-evaluation.in -o requirements-evaluation.lock

clean:
	rm -rf results .snakemake
