# opinion-survey: `make report` builds the report, `make test` checks the package; `make help` lists the rest.
#
#   make report                              the social-credit study (synthetic respondents)
#   make report STUDY=anes96                 944 real respondents, American National Election Study 1996
#   make report DATA=file [CODEBOOK=file]    your own file of the same questionnaire
#
# The first target that needs it makes .venv; PYTHON chooses the interpreter that it is made with.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
STUDY ?= social_credit
DATA ?=
CODEBOOK ?=
# A researcher's own file has a folder of its own, so that the study's report is never overwritten.
OUTPUT ?= build/$(STUDY)$(if $(DATA),-$(basename $(notdir $(DATA))))
# A file's tests stay in one process, so that what they share (a report, a tutorial, a population) is made once.
PYTEST_ARGS ?= -n 2 --dist loadfile
FAST := -m 'not slow' --hypothesis-profile=fast

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
LOWEST := build/lowest
OLDEST := $(LOWEST)/bin/python
STUDIES := $(patsubst data/%/codebook.yaml,%,$(wildcard data/*/codebook.yaml))
SOURCES := $(wildcard survey/*.py survey/*/*.py analysis/*.py analysis/*.yaml analysis/report/*.* analysis/report/*/*.* data/$(STUDY)/*.*) $(DATA) $(CODEBOOK)
REPORT = $(RUN) -m analysis.report --study '$(STUDY)' $(if $(DATA),--data '$(DATA)') \
	$(if $(CODEBOOK),--codebook '$(CODEBOOK)') --output '$(OUTPUT)'

# The same inputs give the same bytes: a fixed date, one thread per matrix product (sums in one order on any
# machine), and settings or font lists of other programs left alone.
export SOURCE_DATE_EPOCH ?= 1577836800
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND := Agg
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/matplotlib
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup data report figures tables verify test test-fast test-lowest lint types interfaces bench validation coverage architecture clean repro-check

help: ## list these targets
	@echo "usage: make TARGET [STUDY=$(STUDY)] [DATA=file [CODEBOOK=file]] [OUTPUT=folder] [PYTHON=python3.x]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo "studies: $(STUDIES)"

setup: $(READY) ## make .venv with the versions of constraints.txt (the others do so by themselves)
	@echo "$(VENV) is ready: $$($(RUN) --version)"

$(READY): pyproject.toml constraints.txt
	@$(RUN) -m pip --version >/dev/null 2>&1 || { \
	  command -v '$(PYTHON)' >/dev/null 2>&1 || { \
	    echo "make: no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	  '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: Python 3.11 or newer is needed; '$(PYTHON)' is $$('$(PYTHON)' --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }; \
	  echo "Making $(VENV) with $$('$(PYTHON)' --version) ..."; \
	  '$(PYTHON)' -m venv --clear $(VENV) || { \
	    echo "make: could not make $(VENV). On Debian and Ubuntu, install the package python3-venv; then run make again." >&2; exit 1; }; }
	@echo "Installing the packages of constraints.txt into $(VENV) (once; about a minute) ..."
	@$(RUN) -m pip install --quiet -c constraints.txt -e '.[dev]' </dev/null || { \
	  echo "make: the packages could not be installed (see above). This step, and only this one, needs a network or a package mirror; then run make again." >&2; exit 1; }
	@mkdir -p '$(MPLCONFIGDIR)'
	@touch $@

data: $(READY) ## write the respondent files again from their scripts
	$(RUN) -m analysis.social_credit_records
	$(RUN) -m analysis.anes96_records
	$(RUN) -m analysis.checksums

report: $(READY) ## build the report, its figures and tables into build/<study>/
	@$(REPORT)

figures: $(READY) ## only the figures (SVG and PNG)
	@$(REPORT) --only figures

tables: $(READY) ## only the tables (CSV)
	@$(REPORT) --only tables

$(OUTPUT)/report.html: $(READY) $(SOURCES)
	@$(REPORT)

verify: $(OUTPUT)/report.html ## compare every published figure with ours; exit 1 on an unexplained difference
	@$(RUN) -m analysis.verify --study '$(STUDY)' $(if $(DATA),--data '$(DATA)') \
	  $(if $(CODEBOOK),--codebook '$(CODEBOOK)') --output '$(OUTPUT)'

test: lint types ## lint, types and tests
	@$(RUN) -m pytest $(PYTEST_ARGS)

test-fast: $(READY) ## all tests but the slow ones, while you work
	@$(RUN) -m pytest $(PYTEST_ARGS) $(FAST)

# Old packages call what newer ones say will go: that is theirs to mend, so such warnings are no errors here.
test-lowest: $(LOWEST)/.ready ## these with the oldest packages that pyproject.toml allows (in build/lowest)
	@$(OLDEST) -m pytest $(PYTEST_ARGS) $(FAST) -W ignore::DeprecationWarning -W ignore::FutureWarning

$(LOWEST)/.ready: $(READY) pyproject.toml constraints.txt tests/lowest.py
	@$(RUN) -m venv --clear $(LOWEST)
	@$(RUN) -m tests.lowest > $(LOWEST)/requirements.txt
	@echo "Installing the packages of $(LOWEST)/requirements.txt into $(LOWEST) ..."
	@$(OLDEST) -m pip install --quiet -r $(LOWEST)/requirements.txt </dev/null || { \
	  echo "make: the oldest packages could not be installed (see above); this step needs a network or a package mirror." >&2; exit 1; }
	@touch $@

lint: $(READY) ## style (ruff)
	@$(RUN) -m ruff check survey analysis tests
	@$(RUN) -m ruff format --check survey analysis tests

types: $(READY) ## types (mypy --strict)
	@$(RUN) -m mypy

interfaces: $(READY) ## also install marginaleffects, which some tests compare with (0.5 GB with what it needs)
	@$(RUN) -m pip install --quiet -c constraints.txt -e '.[interfaces]' </dev/null

bench: $(READY) ## speed and memory of the main computations
	@$(RUN) tests/bench.py

validation: $(READY) ## write docs/validation.md: every reference value, ours and the difference
	@$(RUN) -m tests.validation --output docs/validation.md

coverage: $(READY) ## simulate how often intervals cover, into docs/coverage.md (some minutes)
	@$(RUN) -m analysis.coverage --output docs/coverage.md

architecture: $(READY) ## draw docs/rooms.svg, the picture of the rooms, from the code
	@$(RUN) -m tests.project.picture

clean: ## remove what was built (build/ and caches; .venv stays)
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find survey analysis tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Two copies of the tree, in folders of different names, time zones and locales, must give the same bytes.
repro-check: $(READY) ## build the report twice in two folders and compare the bytes
	@rm -rf build/repro
	@for copy in one another/place; do \
	  mkdir -p "build/repro/$$copy" && cp -R Makefile pyproject.toml survey analysis data "build/repro/$$copy" || exit 1; done
	@cd build/repro/one && TZ=UTC LC_ALL=C '$(CURDIR)/$(RUN)' -m analysis.report --study '$(STUDY)' --output report
	@cd build/repro/another/place && TZ=Asia/Tokyo LC_ALL=C.UTF-8 '$(CURDIR)/$(RUN)' -m analysis.report --study '$(STUDY)' --output out/second
	@diff -r build/repro/one/report build/repro/another/place/out/second
	@echo "Byte-identical: $$(find build/repro/one/report -type f | wc -l) files of the $(STUDY) report, built in two folders."
