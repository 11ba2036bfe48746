"""The cost curve: the cost of a process, the tables and the figure."""

import json
import subprocess
import sys

import numpy as np
import pytest
from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "benchmarks"))
import _scale_report as report
import scale

HUNGRY = "import time; held = b'1' * 300_000_000; time.sleep(0.2)"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HUNGRY!r}])"


def run_scale(*arguments):
    command = [sys.executable, "benchmarks/scale.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("code", [HUNGRY, IN_A_CHILD])
def test_memory_is_that_of_the_largest_process(code, tmp_path):
    cost = scale.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")
    assert 0.3 < cost["memory_gb"] < 2 and cost["seconds"] >= 0.2 and cost["cpu_seconds"] > 0 and "failed" not in cost


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('before'); sys.exit('clean: no such file')", "clean: no such file"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_a_failure_has_its_reason(code, reason, tmp_path):
    assert reason in scale.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")["failed"]


def test_the_copy_has_the_tracked_files_and_the_settings(tmp_path):
    settings = ["epochs=3", "next.lr=0.5", "dataset=path", 'data_path="/data/a b"']
    scale.copy_project(tmp_path / "project", settings)
    params = YAML(typ="safe").load(tmp_path / "project/params.yaml")
    assert (params["epochs"], params["dataset"], params["data_path"]) == (3, "path", "/data/a b")
    assert params["next"]["lr"] == 0.5
    assert (tmp_path / "project/stages/clean.py").read_bytes() == (ROOT / "stages/clean.py").read_bytes()
    assert not (tmp_path / "project/.git").exists() and not (tmp_path / "project/data/raw").exists()


def of_size(millions, **stages):
    costs = {name: {"seconds": s, "cpu_seconds": s, "memory_gb": s / 10} for name, s in stages.items()}
    return {"interactions": millions * 1_000_000, "settings": [], "project": "abc", "stages": costs}


@pytest.fixture
def results():
    seconds = {"1": (2.0, 10.0), "10": (20.0, 1000.0), "100": (200.0, 5.0)}
    sizes = {size: of_size(int(size), clean=clean, train=train) for size, (clean, train) in seconds.items()}
    sizes["1"] |= {"liked": 800_000, "users": 6000, "movies": 3700}
    sizes["1"]["ndcg@20"] = {"model": 0.35, "popularity": 0.13, "the truth": 0.4}
    sizes["100"]["stages"]["train"]["failed"] = "killed by signal 9"
    return {"machine": {"cores": 2, "memory_gb": 16.0, "system": "Linux", "python": "3.11"}, "sizes": sizes}


def test_the_tables_have_costs_slopes_failures_and_quality(results):
    text = report.tables(results)
    assert "| clean | 2.0 / 0.20 | 20.0 / 2.00 | 200.0 / 20.00 | 1.00 | 1.00 |" in text
    assert "| train | 10.0 / 1.00 | 1,000.0 / 100.00 |  | 2.00 |  |" in text
    assert "| whole pipeline | 12.0 / 1.00 | 1,020.0 / 100.00 |  | 1.93 |  |" in text
    assert "| clean, rows per s | 500,000 | 500,000 | 500,000 |" in text
    assert "100 M: train failed: killed by signal 9" in text
    assert "| 1,000,000 | 800,000 | 6,000 | 3,700 | 0.3500 | 0.1300 | 0.4000 |" in text


def test_stored_results_are_printed_and_drawn_again(results, tmp_path):
    (tmp_path / "scale.json").write_text(json.dumps(results))
    done = run_scale("--from", tmp_path / "scale.json", "--figure", tmp_path / "scale.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == report.tables(results)
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_results_are_complete():
    committed = scale.read_results(ROOT / "benchmarks/scale.json")
    rows = [line for line in report.tables(committed).splitlines() if line.startswith("| ")]
    assert len(rows) > 20 and "failed" not in report.tables(committed)
    assert all("ndcg@20" in of for of in committed["sizes"].values())


def test_tables_and_figure_of_failures_alone(results, tmp_path):
    for of in results["sizes"].values():
        of["stages"] = {"clean": of["stages"]["clean"] | {"failed": "no space"}}
    assert "1 M: clean failed: no space" in report.tables(results)
    report.draw(results, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").exists()
    assert report.tables({"machine": {}, "sizes": {}}) == "Nothing was measured."


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
    done = run_scale("--folder", tmp_path, *arguments)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
