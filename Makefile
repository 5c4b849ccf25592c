# make run: the default workflow. make test: the tests. make cluster: what a Slurm cluster needs (docs/cluster.md). All build .venv
# from the lock files when it is missing, stale or does not work.

export PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# pip does not compile what it installs. If Python may not keep what it compiles, every job compiles its imports again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

# Snakemake, matplotlib and pip keep caches in the home folder. Where there is none, or it cannot be written, they have one here.
export HOME ?= $(CURDIR)/.snakemake
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export XDG_CACHE_HOME := $(shell mkdir -p '$(CACHE)/snakemake' 2> /dev/null && test -w '$(CACHE)/snakemake' && \
  echo '$(CACHE)' || echo '$(CURDIR)/.snakemake/cache')

.PHONY: run evaluate test check test-changed lint fuzz test-slow test-faults test-slurm test-fresh test-container benchmark cluster docs pictures site lock clean say-what-run-does always

run: say-what-run-does $(VENV)/run
	@python scripts/run.py

# The run goes on if nobody reads these lines.
say-what-run-does:
	@printf '%s\n' \
	  "Fetching the models that config/config.yaml names, simulating their spikes, making template libraries and recordings" \
	  "with figures and a report: all in results/. As it comes, with three models, that takes one to two minutes on two cores," \
	  "2 MB to fetch and 20 MB of disk. The first run installs Python packages in .venv before that: one to two minutes more," \
	  "230 MB to fetch, 1.1 GB of disk." 2> /dev/null || :

# The sorters have an environment of their own, which `snakemake evaluate` finds.
evaluate: $(VENV)/run $(VENV)-evaluation/run
	snakemake evaluate

# Three at a time for two cores, because tests wait for jobs and servers; those of a module stay together, as they share what they
# read, in the order of tests/conftest.py. After a worker has crashed, xdist would wait for its tests for ever.
PYTEST := pytest -n $(or $(WORKERS),3) --dist loadscope --no-loadscope-reorder --max-worker-restart=0

test: $(VENV)/test
	$(PYTEST)

# Before a commit, both at once: lint, and the unit tests of the packages that differ from the main branch.
check: $(VENV)/test
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint test-changed

# What tests compile with make is not of this one.
test-changed: $(VENV)/test
	@unset MAKEFLAGS; tests="$$(python tests/changed.py)" && if [ -n "$$tests" ]; then $(PYTEST) $$tests; else echo "No unit test to run"; fi

# Searches for input that ends neither in one line nor in a valid run. EXAMPLES=2000 is a few minutes.
fuzz: $(VENV)/test
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) tests/fuzz

test-slow: $(VENV)/test
	pytest -m slow

test-faults: $(VENV)/test
	pytest -m "" tests/faults

# On bare Debian systems that it makes, from a clone of the last commit; tests/fresh/fresh.py says how to choose. Needs root.
test-fresh:
	$(PYTHON) tests/fresh/fresh.py

# The Dockerfile, on a Debian that it makes; tests/fresh/container.py says what it needs and how to choose tests. Needs root.
test-container:
	$(PYTHON) tests/fresh/container.py

# In an environment of its own: where Slurm's plugin is installed, it asks Slurm at every start of Snakemake. TESTS="-k same_bytes"
# runs the first test only.
test-slurm:
	$(MAKE) VENV=.venv-cluster PYTEST_ARGUMENTS='$(TESTS)' .test-slurm

.test-slurm: $(VENV)/test $(VENV)/cluster
	pytest -m slurm tests/slurm $(PYTEST_ARGUMENTS)

cluster: $(VENV)/cluster

# All benchmarks, and their tables in docs/benchmarks.md: some hours. AGAINST=<checkout> compares with another commit,
# MODELS=<folders> searches further models, NAMES="eap library" runs these only.
benchmark: $(VENV)/test
	MODELS='$(MODELS)' python benchmarks/all.py $(if $(AGAINST),--against $(AGAINST)) $(NAMES)

lint: $(VENV)/test
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy
	PYTHONPATH=scripts lint-imports --no-logo
	codespell
	python docs/configuration.py --check
	python docs/rules_table.py --check
	snakemake --lint

# Writes what is made from the code, and builds the site in site/; a broken link fails. The graph needs Graphviz.
docs: $(VENV)/run $(VENV)-docs/run
	python docs/configuration.py
	python docs/rules_table.py
	snakemake --rulegraph dot | dot -Tsvg > docs/rulegraph.svg
	$(MAKE) site

# The pictures of the documents, from the default run; they need Chromium.
pictures: run $(VENV)/test
	python docs/pictures.py

site: $(VENV)-docs/run
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --quiet

# An environment works where it was made, with the Python that made it.
unless-works = $(if $(shell $(1)/bin/pip --version 2> /dev/null),,always)

$(VENV)/run: requirements.lock $(call unless-works,$(VENV))
	@sh envs/install.sh $(@D) $< 1200
	@touch $@

$(VENV)/test: requirements-test.lock $(call unless-works,$(VENV))
	@sh envs/install.sh $(@D) $< 1600
	@touch $@

$(VENV)/cluster: requirements-cluster.lock $(call unless-works,$(VENV))
	@sh envs/install.sh $(@D) $< 1300
	@touch $@

$(VENV)-evaluation/run: requirements-evaluation.lock $(call unless-works,$(VENV)-evaluation)
	@sh envs/install.sh $(@D) $< 1300
	@touch $@

$(VENV)-docs/run: requirements-docs.lock $(call unless-works,$(VENV)-docs)
	@sh envs/install.sh $(@D) $< 150
	@touch $@

# For maintainers; needs uv. The locks name versions and hashes, and no index.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-test.in -o requirements-test.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-cluster.in -o requirements-cluster.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -c requirements.lock \
	  requirements-evaluation.in -o requirements-evaluation.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q requirements-docs.in -o requirements-docs.lock

clean:
	find results -mindepth 1 -not -path results/README.md -delete
	rm -rf .snakemake
