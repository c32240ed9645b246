# The workbook's commands: `make help` lists them. They need Python 3.11 or newer, make and a shell.
PYTHON ?= python3
python := .venv/bin/python
whole := .venv/whole
notebooks := $(python) -m course_lib.tools.notebooks
uv_install := .venv/bin/uv pip install -q --python $(python)
# Prints the path of the pip wheel that ensurepip would install.
bundled_pip := import ensurepip, sysconfig; from pathlib import Path; \
	bundled = Path(ensurepip.__file__).parent / "_bundled"; \
	folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled; \
	print(*Path(folder).glob("pip-*.whl"))

# `make setup` writes .venv/whole last, so a .venv without that file is incomplete. An incomplete
# .venv is built again. So is one whose Python was removed by an upgrade, or whose folder was moved.
finds_packages := from importlib.util import find_spec as find; \
	print(find("course_lib") and find("jupyterlab") and 1)
ifneq ($(and $(wildcard $(whole)),$(shell $(python) -Ic '$(finds_packages)' 2>/dev/null)),1)
.PHONY: .venv/bin/uv $(whole)
endif

# uv doesn't read pip's settings.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: help lab setup test fuzz lint check lessons reset doctor site bench store pins

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1#/p' Makefile \
		| awk -F'#' '{ printf "%-14s %s\n", $$1, $$2 }'

lab: setup  ## open the lessons in JupyterLab; pass flags as ARGS="--no-browser --port 9000"
	@$(notebooks) open $(ARGS)

setup: $(whole)  ## create .venv, or repair it

.venv/bin/uv:
	@$(PYTHON) course_lib/tools/doctor.py --before-setup
	@echo "Installing the packages into .venv: seconds near a registry, minutes far from one."
	@$(PYTHON) -m venv --clear --without-pip .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
# Run pip from its wheel, because installing it first takes four seconds longer.
	@$(python) "$$($(PYTHON) -c '$(bundled_pip)')/pip" install -q --require-hashes -r .venv/uv.txt \
		|| { $(python) -m ensurepip && $(python) -m pip install -q --require-hashes -r .venv/uv.txt; }

$(whole): pyproject.toml requirements.txt course_lib/lab/overrides.json .venv/bin/uv
	@rm -f $@
# uv treats an empty variable as unset. pip exits with an error if the setting doesn't exist.
	@index="$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)"; \
		UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}" \
		$(uv_install) --require-hashes -r requirements.txt
	@$(uv_install) --no-deps --no-build-isolation -e .
	@mkdir -p .venv/share/jupyter/lab/settings
	@cp course_lib/lab/overrides.json .venv/share/jupyter/lab/settings/
	@touch $@

# Tests start hundreds of processes. Without stored bytecode, each would compile all it imports.
test fuzz lint check: export PYTHONDONTWRITEBYTECODE :=
test fuzz lint check: export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode

test: setup  ## run every check and test; list the slowest at the end
# mypy uses one core. On the other, collecting the tests compiles once what every worker imports.
	@$(python) -m pytest -q --collect-only >/dev/null 2>&1 & \
		$(MAKE) --no-print-directory lint && wait
	$(python) -m pytest -q -n 4 --max-worker-restart 2 -rs --durations=15

fuzz: setup  ## run every test that makes up its own inputs, with 100 times as many; takes long
	$(python) -m pytest -q -n 4 -m hypothesis --hypothesis-profile=long -o faulthandler_timeout=0

lint: setup  ## check style and types
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

touched = $$($(python) tests/touched.py)
check: setup  ## check style, types and tests of what you changed; LESSON=2: test your copy
ifdef LESSON
	@$(notebooks) check $(LESSON)
else
	@$(MAKE) --no-print-directory lint
	$(python) -m pytest -q -n 2 -m "not measures and not slow" $(touched)
endif

lessons: setup  ## run all lessons with the exercises filled in, and print their claims
	@$(notebooks) run $(LESSON)

reset: setup  ## LESSON=2: create a new copy of a lesson; your old one is kept
	@$(notebooks) reset $(LESSON)

doctor:  ## list what's found and what's missing, with how to fix it
	@$$($(python) -c '' 2>/dev/null && echo $(python) || echo $(PYTHON)) course_lib/tools/doctor.py

site: setup  ## render the lessons as run, the reference, the docs; LESSON=2: run it again
	@$(uv_install) -r pyproject.toml --extra site \
		|| echo "mmdr isn't installed, so diagrams are shown as text."
	@$(python) -m course_lib.tools.site $(LESSON)

bench: setup  ## measure the library and its peers, write benchmarks/README.md; ROUNDS=10: quicker
	@$(uv_install) -r pyproject.toml --extra bench \
		|| echo "The peers can't be installed, so only ours is measured."
	@$(python) benchmarks/page.py $(if $(ROUNDS),--rounds $(ROUNDS))

store: setup  ## for authors: run the shipped lessons and store the output of their claims
	@$(notebooks) store --run $(LESSON)

pins: setup  ## for authors: update requirements.txt from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --extra lab --extra test --group setup \
		--universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -q -o requirements.txt
