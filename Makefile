# The workbook's commands: `make help` lists them. Needs Python 3.11 or newer, make and a shell.
PYTHON ?= python3
python := .venv/bin/python
whole := .venv/whole
notebooks := $(python) -m course_lib.tools.notebooks
uv_install := .venv/bin/uv pip install -q --python $(python)
# The wheel of the pip that ensurepip would install.
carried_pip := import ensurepip, sysconfig; from pathlib import Path; \
	folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).parent / "_bundled"; \
	print(*Path(folder).glob("pip-*.whl"))

# .venv/whole is written last, so a .venv without it was interrupted. Such a one is made anew, and so is one whose
# Python was upgraded away or whose folder was moved.
finds_packages := from importlib.util import find_spec as find; print(find("course_lib") and find("jupyterlab") and 1)
ifneq ($(and $(wildcard $(whole)),$(shell $(python) -Ic '$(finds_packages)' 2>/dev/null)),1)
.PHONY: .venv/bin/uv $(whole)
endif

# uv does not read pip's settings.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: help lab setup test lint check lessons reset doctor store pins

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1#/p' Makefile | awk -F'#' '{ printf "%-14s %s\n", $$1, $$2 }'

lab: setup  ## open the lessons in JupyterLab; ARGS="--no-browser --port 9000" passes flags on
	@$(notebooks) open $(ARGS)

setup: $(whole)  ## make .venv alone, or mend it

.venv/bin/uv:
	@$(PYTHON) course_lib/tools/doctor.py --before-setup
	@echo "Installing the packages into .venv: seconds near a registry, minutes far from one."
	@$(PYTHON) -m venv --clear --without-pip .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
# pip runs from its wheel: to install it first takes four seconds more.
	@$(python) "$$($(PYTHON) -c '$(carried_pip)')/pip" install -q --require-hashes -r .venv/uv.txt \
		|| { $(python) -m ensurepip && $(python) -m pip install -q --require-hashes -r .venv/uv.txt; }

$(whole): pyproject.toml requirements.txt course_lib/lab/overrides.json .venv/bin/uv
	@rm -f $@
# uv takes an empty variable for none, and pip calls a setting that is not there an error.
	@UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)}" \
		$(uv_install) --require-hashes -r requirements.txt
	@$(uv_install) --no-deps --no-build-isolation -e .
	@mkdir -p .venv/share/jupyter/lab/settings
	@cp course_lib/lab/overrides.json .venv/share/jupyter/lab/settings/
	@touch $@

test: lint  ## everything that can be tested, the slowest named at the end
	$(python) -m pytest -q -n 4 -rs --durations=15

lint: setup  ## style and types
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

touched = $$($(python) tests/touched.py)
check: setup  ## style, types and the tests that your change touches; LESSON=2: test your copy of a lesson
ifdef LESSON
	@$(notebooks) check $(LESSON)
else
	@$(MAKE) --no-print-directory lint
	$(python) -m pytest -q -n 2 -m "not measures and not slow" $(touched)
endif

lessons: setup  ## run all lessons with the exercises filled in, and print their claims
	@$(notebooks) run $(LESSON)

reset: setup  ## LESSON=2: a fresh copy of a lesson; yours is kept aside
	@$(notebooks) reset $(LESSON)

doctor:  ## what is found, what is missing, and its remedy
	@$$($(python) -c '' 2>/dev/null && echo $(python) || echo $(PYTHON)) course_lib/tools/doctor.py

store: setup  ## for authors: run the shipped lessons and put them into their stored form
	@$(notebooks) store --run $(LESSON)

pins: setup  ## for authors: make requirements.txt anew from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --extra lab --extra test --group setup --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -q -o requirements.txt
