# Two commands matter: `make repro` and `make test`. Each target makes the environment first if it is missing or stale.

SHELL := /bin/bash
# Whatever runs below finds `python` and `dvc` of the environment first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup repro dag experiments verify sweep sweep-report test coverage fuzz lint tables results stale docs \
	serve-docs check-lock changes clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: .venv/.complete ## the environment in .venv, from requirements*.txt

repro: setup ## the main job: dvc repro on MovieLens 1M (on 100K where 1M can't be had), and a summary
	@python tools/repro.py

dag: setup ## the stages, each with the stages that it waits for
	@python tools/dag.py

experiments: setup ## the experiments, the best on validation first, with their NDCG@20 and the params that differ
	@dvc exp show --only-changed --keep '.*(valid|test)/ndcg@20.json:model' --drop 'metrics|models|data|plots' \
		--sort-by metrics/valid/ndcg@20.json:model --sort-order desc

verify: setup ## the pipeline in two new clones under other conditions: the bytes of the committed run? CPU=intel or amd: emulated
	@python tools/$(if $(CPU),emulate.py $(CPU),verify.py)

sweep: setup ## an adaptive search over sweep.yaml, each trial a DVC experiment; goes on where it was stopped
	@python tools/sweep.py

sweep-report: setup ## the best trials of the sweep, and plots/sweep.png
	@python tools/sweep_report.py

# Two test files at a time, one thread each; the longest, of the whole pipeline, begins first.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

test: setup ## the whole test suite
	@$(PYTEST)

coverage: setup ## the lines and branches of the library that the tests run
	@$(PYTEST) --cov=movierec --cov-branch --cov-report=term:skip-covered

FUZZ ?= 180
fuzz: setup ## other broken files for the readers than `make test` has, for FUZZ seconds (180)
	@python tools/fuzz.py $(FUZZ)

lint: setup ## style, format, types, and whether params.yaml and the tables are behind the code
	@ruff check && ruff format --check && mypy && python tools/describe.py --check

tables: setup ## the comments of params.yaml, and the tables and figures of README.md and docs/, from code and results
	@python tools/describe.py

results: setup ## the benchmarks that are behind the code (benchmarks/dvc.yaml; long ones are frozen), and the tables
	@dvc repro benchmarks/dvc.yaml && python tools/describe.py && python tools/stale.py

stale: setup ## the results whose code or data have changed, with those of frozen stages
	@python tools/stale.py

docs: export NO_MKDOCS_2_WARNING := 1
docs: setup ## the documentation as a site, in site/; fails for a broken link, or a table behind its result
	@python tools/describe.py --check && mkdocs build --strict

serve-docs: export NO_MKDOCS_2_WARNING := 1
serve-docs: setup ## the documentation at http://127.0.0.1:8000, renewed as it is edited
	@mkdocs serve --no-strict

check-lock: setup ## whether dvc.lock belongs to the code and the params, and the reference run beats the baselines
	@python tools/check_lock.py

BASE ?= HEAD
changes: setup ## what changes against BASE (HEAD unless told), in Markdown, and dvc_plots/index.html
	@echo "### Metrics against $(BASE)"; echo; dvc metrics diff --md $(BASE) --targets metrics/{test,valid,newcomers} | (read -r head; read -r rule; printf '%s\n%s\n' "$$head" "$$rule"; grep '|' | sort)
	@dvc plots diff $(BASE) workspace > /dev/null

clean: ## remove the environment and the stages' untracked outputs; DVC's cache stays
	rm -rf .venv .venv-bootstrap data/{raw,clean,split,test,graph,checkpoints,rankings,recommendations} data/{checked.txt,own_data.json}
	rm -rf models/*.{npz,csv} plots/recommendations.html site

.venv/.complete: requirements.txt requirements-dev.txt requirements-torch.txt tools/make_venv.sh
	@tools/make_venv.sh
