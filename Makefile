# Everything from a fresh clone: `make demo` shows a container, `make test` proves the promises.
# Needs python3 >= 3.11, a C compiler and make; what else is missing comes by apt when this runs as root.

# The system's own, if it is new enough: it starts faster than one that somebody built, and stays when that one goes.
PYTHON3 ?= $(shell for python in /usr/bin/python3 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; echo python3)
VENV := .venv
PYTHON := $(VENV)/bin/python
HELPER := ringfence/ringinit
PACKAGE := $(shell find ringfence -name '*.py')
TESTS ?= tests

.PHONY: demo test soak test-v2 test-systemd test-vm lint bench clean setup peers debian-rootfs
.DELETE_ON_ERROR:

setup: $(VENV)/installed $(HELPER) $(VENV)/frozen

demo: setup
	@demo/demo.sh

test: setup
	$(PYTHON) -m pytest $(TESTS)

# The tests that differ there, on a machine with cgroup v2 in User-mode Linux (docs/lanes.md).
test-v2: setup peers
	tools/lane_v2.sh v2

# Those of systemd's cgroup driver, on such a machine whose pid 1 is systemd.
test-systemd: setup peers
	tools/lane_v2.sh systemd

# What an ordinary Debian kernel alone has, on an emulated machine.
test-vm: setup peers
	tools/lane_vm.sh vm

# 500 cycles of create, start and delete, 8 at a time, while an attacker races for the mount points (minutes).
soak: setup
	$(PYTHON) -m tests.security.soak

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: setup
	$(PYTHON) -m bench

# An editable install, so that the tree that is tested is the tree that is read.
$(VENV)/installed: pyproject.toml setup.py native/command.c | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(HELPER): native/ringinit.c setup.py | $(VENV)/installed
	$(PYTHON) -W ignore setup.py --quiet build_native

# What changed since is imported from its source, so that this only saves time (ringfence/frozen.py).
$(VENV)/frozen: $(PACKAGE) | $(VENV)/installed
	$(PYTHON) -m ringfence.freeze
	@touch $@

$(PYTHON):
	@tools/prepare.sh $(PYTHON3)
	$(PYTHON3) -m venv $(VENV)

# The other container programs that tests and figures compare with.
peers:
	@tools/peers.sh

debian-rootfs:
	@tests/debian.sh

clean:
	rm -rf $(VENV) build dist *.egg-info $(HELPER) ringfence/*.frozen .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find ringfence tests -name __pycache__ -prune -exec rm -rf {} +
