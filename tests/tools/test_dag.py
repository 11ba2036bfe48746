"""The stages and what they wait for."""

import subprocess
import sys

import dag
import pytest
from imports import ROOT
from stage_runner import STAGES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")


def test_a_stage_waits_for_those_that_make_what_it_reads_without_those_of_before():
    needs = dag.direct_needs()
    assert list(needs) == list(STAGES)
    assert needs["own-data"] == [] and needs["clean"] == ["download"]
    assert needs["evaluate"] == ["baselines", "train"], "not clean and split, which both of these wait for"
    assert needs["recommend"] == ["train", "catalogue"]


def test_the_page_shows_what_the_command_prints():
    printed = subprocess.run([sys.executable, "tools/dag.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"$ make dag\n{printed.stdout}```" in (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
