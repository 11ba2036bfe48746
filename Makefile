# Two commands matter: `make repro` and `make test`. Each makes the environment first if it is missing or stale.

SHELL := /bin/bash
# Whatever runs below finds `python` and `dvc` of the environment first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup repro test clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: .venv/.complete ## the environment in .venv, from requirements.txt

repro: setup ## the main job: dvc repro on MovieLens 1M (on 100K where 1M can't be had), and a summary
	@python tools/repro.py

test: setup ## the whole test suite
	@python -m pytest

clean: ## remove the environment and what the stages wrote; DVC's cache stays
	rm -rf .venv .venv-bootstrap data/{raw,clean,split,graph,recommendations} models/*.{npz,csv}

.venv/.complete: requirements.txt tools/make_venv.sh
	@tools/make_venv.sh
