"""The pipeline of the benchmarks agrees with their code."""

import shlex
from pathlib import Path

import pytest
from imports import ROOT, dependency, local_imports
from ruamel.yaml import YAML

STAGES = YAML(typ="safe").load(ROOT / "benchmarks/dvc.yaml")["stages"]
RUN_THE_PIPELINE = {"protocols", "scale"}  # so that all of the library is theirs
PEERS = {"peers", "peers_lastfm", "peers_gowalla", "serving", "top_k"}  # run with libraries that are not the project's


def words(stage):
    return [word for word in shlex.split(STAGES[stage]["cmd"]) if not word.startswith("OMP_NUM_THREADS=")]


def outs(stage):
    made = {path: options for entry in STAGES[stage]["outs"] for path, options in entry.items()}
    assert all(options == {"cache": False} for options in made.values()), "Git keeps the results"
    return list(made)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_in_the_root_and_is_described(stage):
    python, script, *_ = words(stage)
    assert STAGES[stage]["wdir"] == ".." and STAGES[stage]["desc"]
    assert python == (".venv-peers/bin/python" if stage in PEERS else "python")
    assert script.startswith("benchmarks/") and script in STAGES[stage]["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_writes_the_result_of_its_name(stage):
    command = words(stage)
    out = (
        command[command.index("--out") + 1]
        if "--out" in command
        else f"benchmarks/results/{Path(command[1]).stem}.json"
    )
    assert outs(stage)[-1] == out == f"benchmarks/results/{stage}.json"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_runs(stage):
    script = ROOT / words(stage)[1]
    code = {dependency(path) for path in local_imports(script) | {script}}
    if stage in RUN_THE_PIPELINE:
        code = {path for path in code if not path.startswith("movierec/")} | {"movierec", "stages"}
    declared = {
        dep for dep in STAGES[stage]["deps"] if dep.split("/")[0] in ("movierec", "stages") or dep.endswith(".py")
    }
    assert declared == code
    assert {"requirements.txt", "requirements-torch.txt"} <= set(STAGES[stage]["deps"])
    assert ("benchmarks/peers-requirements.txt" in STAGES[stage]["deps"]) == (stage in PEERS)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_data_that_its_command_names(stage):
    named = {word for word in words(stage)[2:] if word.startswith(("data/", "benchmarks/data/"))}
    assert named - set(outs(stage)) <= set(STAGES[stage]["deps"])
