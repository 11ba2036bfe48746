"""The cost curve: the cost of a process, a copy of the project, its stages, and the figure."""

import json
import subprocess
import sys

import numpy as np
import pytest
from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "benchmarks"))
import _project as copies
import _scale_report as report
import scale

HUNGRY = "import time; held = b'1' * 300_000_000; time.sleep(0.2)"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HUNGRY!r}])"


def run_scale(*arguments):
    command = [sys.executable, "benchmarks/scale.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("code", [HUNGRY, IN_A_CHILD])
def test_memory_is_that_of_the_largest_process(code, tmp_path):
    cost = copies.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")
    assert 0.3 < cost["memory_gb"] < 2 and cost["seconds"] >= 0.2 and cost["cpu_seconds"] > 0 and "failed" not in cost


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('before'); sys.exit('clean: no such file')", "clean: no such file"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_a_failure_has_its_reason(code, reason, tmp_path):
    assert reason in copies.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")["failed"]


def test_the_copy_has_the_tracked_files_and_the_settings(tmp_path):
    settings = ["epochs=3", "next.lr=0.5", "dataset=path", 'data_path="/data/a b"']
    copies.copy_project(tmp_path / "project", settings)
    params = YAML(typ="safe").load(tmp_path / "project/params.yaml")
    assert (params["epochs"], params["dataset"], params["data_path"]) == (3, "path", "/data/a b")
    assert params["next"]["lr"] == 0.5
    assert (tmp_path / "project/stages/clean.py").read_bytes() == (ROOT / "stages/clean.py").read_bytes()
    assert not (tmp_path / "project/.git").exists() and not (tmp_path / "project/data/raw").exists()


def test_stages_run_in_order_up_to_the_first_that_fails(tmp_path):
    code = {"a": "print('fine')", "b": "import sys; sys.exit('b: no space')", "c": "print('never')", "d": "exit(1)"}
    stages = {}
    for name, line in code.items():
        (tmp_path / f"{name}.py").write_text(line)
        stages[name] = {"cmd": f"python {name}.py"}
    YAML().dump({"stages": stages}, tmp_path / "dvc.yaml")
    seen = []
    costs = copies.run_stages(tmp_path, tmp_path / "log", lambda name, cost: seen.append(name), skip=["d"])
    assert seen == list(costs) == ["a", "b"] and "failed" not in costs["a"] and costs["b"]["failed"] == "b: no space"


def of_size(millions, **stages):
    costs = {name: {"seconds": s, "cpu_seconds": s, "memory_gb": s / 10} for name, s in stages.items()}
    return {"interactions": millions * 1_000_000, "settings": [], "project": "abc", "stages": costs}


@pytest.fixture
def sizes():
    seconds = {"1": (2.0, 10.0), "10": (20.0, 1000.0), "100": (200.0, 5.0)}
    sizes = {size: of_size(int(size), clean=clean, train=train) for size, (clean, train) in seconds.items()}
    sizes["100"]["stages"]["train"]["failed"] = "killed by signal 9"
    return sizes


def test_costs_are_by_stage_and_of_the_whole_pipeline(sizes):
    seconds, memory = (report.costs(report.columns(sizes), key) for key in ("seconds", "memory_gb"))
    assert seconds["clean"].tolist() == [2, 20, 200] and np.isnan(seconds["train"]).tolist() == [False, False, True]
    assert seconds[report.WHOLE][:2].tolist() == [12, 1020] and memory[report.WHOLE][:2].tolist() == [1, 100]


def test_stored_results_are_drawn_again(sizes, tmp_path):
    (tmp_path / "scale.json").write_text(json.dumps({"sizes": sizes}))
    done = run_scale("--from", tmp_path / "scale.json", "--figure", tmp_path / "scale.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_results_are_complete():
    committed = scale.read_sizes(ROOT / "benchmarks/results/scale.json")
    stages = set(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
    assert len(committed) >= 4 and all(set(of["stages"]) == stages and "ndcg@20" in of for of in committed.values())
    assert not [cost for of in committed.values() for cost in of["stages"].values() if "failed" in cost]


def test_the_figure_of_failures_alone(sizes, tmp_path):
    for of in sizes.values():
        of["stages"] = {"clean": of["stages"]["clean"] | {"failed": "no space"}}
    report.draw(sizes, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").exists()
    report.draw({}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_labels_are_kept_apart_in_order():
    placed = report.apart({"b": 0.5, "a": 0.5, "c": 0.51, "d": 0.9, "e": 0.1})
    assert sorted(placed, key=placed.get)[::4] == ["e", "d"] and placed["d"] == 0.9 and placed["e"] == 0.1
    assert (np.diff(sorted(placed.values())) > 0.99 * report.LINE_HEIGHT).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "1,x"], "--sizes 1,x: write millions of interactions"),
        (["--sizes", "0"], "--sizes 0: write millions"),
        (["--set", "lrr=1"], "unknown key 'lrr'"),
        (["--from", "params.yaml"], "params.yaml has no results of this benchmark"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message, tmp_path):
    done = run_scale("--folder", tmp_path, "--out", tmp_path / "a.json", *arguments)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
