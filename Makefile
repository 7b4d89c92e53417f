# Everything sets itself up: a virtual environment in .venv, the pinned releases, this project in place.
# pip's own settings hold, so where the index's torch is a large CUDA build and a small CPU one is wanted,
# name the index that has it in PIP_EXTRA_INDEX_URL.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
READY := .venv/ready
BIN := .venv/bin
# Files of tests side by side, each process with one thread: two that share two cores only wait for each other. Files come in
# the order of tests/conftest.py, which begins with the longest.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
	--dist loadfile --no-loadscope-reorder

.PHONY: demo test check format

demo: $(READY)
	$(BIN)/understudy demo --out runs/demo

test: $(READY)
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch comes first, at its pinned release, so that nothing else chooses another build of it.
$(READY): pyproject.toml requirements/pins.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, then run make again." >&2; exit 2; }
	@echo "Setting up .venv: about 2 GB, which takes a few minutes." >&2
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements/pins.txt)"
	$(BIN)/python -m pip install --quiet -r requirements/pins.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(READY)
