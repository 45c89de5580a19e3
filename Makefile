# Two commands: `make study` and `make test`. `make help` lists the others.
STUDY   ?= mini
PROFILE ?= default
PYTHON  ?= python3.11
VENV    := .venv
BIN     := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
# The embedded study needs no hub: a study that does sets HF_HUB_OFFLINE=0.
export HF_HUB_OFFLINE ?= 1
# Stored runs that are up to date count as done; STORED=0 runs everything here.
STORED  ?= 1
export STILTS_STORED := $(STORED)
# pip compiles nothing: of the 22,000 files installed few are ever imported. Python keeps what it compiles then.
PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
# The kernel that the notebooks name is the Python of this environment.
KERNEL  := mkdir -p $(VENV)/share/jupyter/kernels/stilts && cp notebooks/kernel.json $(VENV)/share/jupyter/kernels/stilts/
unexport PYTHONDONTWRITEBYTECODE
# What a study needs to run: with another profile than the default, also the cluster's part of Snakemake.
RUN     := $(VENV)/$(if $(filter default,$(PROFILE)),run,cluster).stamp

# The folder of a run of STUDY whose findings are written, if there is one.
RAN     := $(patsubst %/5_findings/report/,%,$(wildcard runs/$(STUDY)/5_findings/report/))

.DEFAULT_GOAL := help
.PHONY: help env study status harmless plan pack book pdf compare export test test-slurm lab bench repetitions results format clean

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

study: $(RUN)  ## run the study STUDY=mini with what it needs, build its book, print the answer; MINUTES=120 to stop in time, UNTIL=3_target to train and score only
	@$(BIN)/python -m stilts_utils.workflow.launch studies/$(STUDY).yaml --profile profiles/$(PROFILE) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(UNTIL),--until $(UNTIL))

test: $(VENV)/test.stamp  ## all tests: modules, the smoke study, its book in a browser
	@sh tests/install_browser.sh
	@sh tests/install_axe.sh
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/graph
	@mkdir -p _build; PYTHON=$(PYTHON) sh tests/read_alone.sh > _build/read_alone.log 2>&1 & \
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/graph; graph=$$?; \
	wait $$! && alone=0 || alone=1; cat _build/read_alone.log; exit $$((graph + alone))

test-slurm: $(VENV)/cluster.stamp  ## the smoke study on a Slurm of this one machine; on Debian as root it installs Slurm
	@VENV=$(abspath $(VENV)) bash tests/slurm/run.sh

book: $(VENV)/base.stamp  ## build the book of the stored results, with the run of STUDY if there is one
	@mkdir -p _build
	@$(BIN)/python -m stilts_utils.report.book $(RAN) > _build/book.log 2>&1 || { tail -n 20 _build/book.log; exit 1; }
	@tail -n 1 _build/book.log

compare: $(VENV)/base.stamp  ## two studies side by side, does the second agree? A=results/mini B=runs/mini
	@$(BIN)/python -m stilts_utils.report.compare $(or $(A),results/$(STUDY)) $(or $(B),runs/$(STUDY))

export: $(VENV)/base.stamp  ## the numbers of STUDY for a paper, of its run if there is one: CSV, LaTeX, PDF figures; TO=folder
	@$(BIN)/python -m stilts_utils.report.export $(or $(RAN),results/$(STUDY)) $(or $(TO),exports/$(STUDY))
pdf: book  ## print the book's leading pages as one paper, _build/paper.pdf; needs Chromium
	@$(BIN)/python -m stilts_utils.report.pdf $(RAN)

plan: $(VENV)/run.stamp  ## what STUDY will cost, before anything runs; ARGS="--device h100" for another machine
	@$(BIN)/python -m stilts_utils.workflow.plan studies/$(STUDY).yaml $(ARGS)

status: $(VENV)/run.stamp  ## what of STUDY would run, why, and how long it takes
	@$(BIN)/python -m stilts_utils.workflow.status studies/$(STUDY).yaml

harmless: $(VENV)/run.stamp  ## declare that changed code changes no result of STUDY: WHY="only a name changed"
	@$(BIN)/python -m stilts_utils.workflow.status studies/$(STUDY).yaml --harmless "$$WHY"

pack: $(VENV)/run.stamp  ## put STUDY, its encoder and its rows into one folder for a machine without network
	@$(BIN)/python -m stilts_utils.workflow.pack studies/$(STUDY).yaml $(ARGS)

lab: $(VENV)/edit.stamp  ## edit the study in JupyterLab; outputs stay out of git, and what is committed is checked
	@if git rev-parse --git-dir > /dev/null 2>&1; then \
	  git config filter.nbstripout.clean "$(BIN)/nbstripout --keep-id" && git config filter.nbstripout.smudge cat && \
	  git config diff.ipynb.textconv "$(BIN)/nbstripout -t" && $(BIN)/pre-commit install > /dev/null; fi
	$(BIN)/jupyter lab notebooks

results: $(VENV)/base.stamp  ## store the tables of STUDY in results/STUDY, and the answer of mini in the README
	@$(BIN)/python -m stilts_utils.tables.store runs/$(STUDY) results/$(STUDY) $(ARGS)
	@$(BIN)/python -m stilts_utils.report.readme

bench: $(VENV)/bench.stamp  ## speed as ratios measured side by side, after a study was run
	@$(BIN)/python -m benchmarks.run studies/$(STUDY).yaml

repetitions: $(VENV)/run.stamp  ## ten times: a planted slow-down is found, an identical checkpoint equivalent; nothing else may run
	@$(BIN)/python tests/repetitions.py --study studies/$(STUDY).yaml $(ARGS)

env: $(VENV)/run.stamp  ## only set up the environment in .venv

format: $(VENV)/test.stamp  ## format the code
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:  ## remove what runs made, not the environment
	rm -rf runs _build book/studies book/run .snakemake .pytest_cache .ruff_cache .hypothesis

# One environment; an extra is installed when a command first needs it. Exact versions are in constraints.txt.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# To read: tables, findings, the book.
$(VENV)/base.stamp: pyproject.toml constraints.txt notebooks/kernel.json | $(VENV)/bin/python
	@echo "installing what reading results needs into $(VENV)"
	$(PIP) -e .
	@$(KERNEL) && touch $@

$(VENV)/%.stamp: pyproject.toml constraints.txt notebooks/kernel.json | $(VENV)/bin/python
	@echo "installing what '$*' needs into $(VENV), a few minutes the first time"
	$(PIP) -e '.[$*]'
	@$(KERNEL) && touch $@
