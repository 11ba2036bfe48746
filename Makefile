# Two commands matter: `make repro` and `make test`. Each target makes the environment first if it is missing or stale.

SHELL := /bin/bash
# Whatever runs below finds `python` and `dvc` of the environment first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup repro verify sweep sweep-report test coverage fuzz check-lock changes clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: .venv/.complete ## the environment in .venv, from requirements.txt

repro: setup ## the main job: dvc repro on MovieLens 1M (on 100K where 1M can't be had), and a summary
	@python tools/repro.py

verify: setup ## the pipeline twice, in two new clones with other threads, locale, time zone and hash seed: the same bytes?
	@python tools/verify.py

sweep: setup ## an adaptive search over sweep.yaml, each trial a DVC experiment; goes on where it was stopped
	@python tools/sweep.py

sweep-report: setup ## the best trials of the sweep, and plots/sweep.png
	@python tools/sweep_report.py

# Two files of tests at a time, one thread each; the longest, of the whole pipeline, is the first to begin.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

test: setup ## the whole test suite
	@$(PYTEST)

coverage: setup ## which lines and branches of the library the tests run
	@$(PYTEST) --cov=movierec --cov-branch --cov-report=term:skip-covered

FUZZ ?= 180
fuzz: setup ## other broken files for the readers than `make test` has, for FUZZ seconds (180)
	@python tools/fuzz.py $(FUZZ)

check-lock: setup ## whether dvc.lock belongs to the code and the params as they are
	@would=$$(dvc repro --allow-missing --dry) || exit 1; \
	if grep "Running stage" <<< "$$would"; then echo "dvc.lock is behind the code or the params: run \`dvc repro\` and commit what changes."; exit 1; fi; \
	echo "dvc.lock belongs to the code and the params."

BASE ?= HEAD
changes: setup ## what changes against BASE (HEAD unless told), in Markdown, and dvc_plots/index.html
	@echo "### Metrics against $(BASE)"; echo; dvc metrics diff --md $(BASE) | (read -r head; read -r rule; printf '%s\n%s\n' "$$head" "$$rule"; grep '|' | sort)
	@dvc plots diff $(BASE) workspace > /dev/null

clean: ## remove the environment and what the stages wrote; DVC's cache stays
	rm -rf .venv .venv-bootstrap data/{raw,clean,split,graph,rankings,recommendations} models/*.{npz,csv} plots/recommendations.html

.venv/.complete: requirements.txt tools/make_venv.sh
	@tools/make_venv.sh
