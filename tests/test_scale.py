"""The cost curve: what it measures of a process, what it says of sizes and failures, and that it can be said again without measuring."""

import json
import subprocess
import sys

import numpy as np
import pytest
from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "benchmarks"))
import _scale_report as report  # noqa: E402
import scale  # noqa: E402

HUNGRY = "import time; held = b'1' * 300_000_000; time.sleep(0.2)"


@pytest.mark.parametrize("code", [HUNGRY, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HUNGRY!r}])"])
def test_memory_is_that_of_the_largest_process_also_below_the_command(code, tmp_path):
    cost = scale.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")
    assert 0.3 < cost["memory_gb"] < 2 and 0.2 <= cost["seconds"] and 0 < cost["cpu_seconds"] and "failed" not in cost


@pytest.mark.parametrize(
    ("code", "reason"),
    [("import sys; print('before'); sys.exit('clean: no such file')", "clean: no such file"), ("import os; os.kill(os.getpid(), 9)", "killed by signal 9")],
)
def test_a_failure_is_reported_with_its_reason(code, reason, tmp_path):
    assert reason in scale.measured([sys.executable, "-c", code], tmp_path, tmp_path / "log")["failed"]


def test_what_is_measured_is_the_tracked_files_with_the_settings(tmp_path):
    scale.copy_project(tmp_path / "project", ["epochs=3", "dataset=path", 'data_path="/data/a b"'])
    params = YAML(typ="safe").load(tmp_path / "project/params.yaml")
    assert (params["epochs"], params["dataset"], params["data_path"]) == (3, "path", "/data/a b")
    assert (tmp_path / "project/stages/clean.py").read_bytes() == (ROOT / "stages/clean.py").read_bytes()
    assert not (tmp_path / "project/.git").exists() and not (tmp_path / "project/data/raw").exists()


def of_size(millions, **stages):
    costs = {name: {"seconds": seconds, "cpu_seconds": seconds, "memory_gb": seconds / 10} for name, seconds in stages.items()}
    return {"interactions": millions * 1_000_000, "settings": [], "project": "abc", "stages": costs}


@pytest.fixture
def results():
    sizes = {"1": of_size(1, clean=2.0, train=10.0), "10": of_size(10, clean=20.0, train=1000.0), "100": of_size(100, clean=200.0, train=5.0)}
    sizes["1"] |= {"liked": 800_000, "users": 6000, "movies": 3700, "ndcg@20": {"model": 0.35, "popularity": 0.13, "the truth": 0.4}}
    sizes["100"]["stages"]["train"]["failed"] = "killed by signal 9"
    return {"machine": {"cores": 2, "memory_gb": 16.0, "system": "Linux", "python": "3.11"}, "sizes": sizes}


def test_the_tables_hold_costs_slopes_failures_and_quality(results):
    text = report.tables(results)
    assert "| clean | 2.0 / 0.20 | 20.0 / 2.00 | 200.0 / 20.00 | 1.00 | 1.00 |" in text
    assert "| train | 10.0 / 1.00 | 1,000.0 / 100.00 |  | 2.00 |  |" in text
    assert "| whole pipeline | 12.0 / 1.00 | 1,020.0 / 100.00 |  | 1.93 |  |" in text
    assert "| clean, rows per s | 500,000 | 500,000 | 500,000 |" in text
    assert "100 M: train failed: killed by signal 9" in text
    assert "| 1,000,000 | 800,000 | 6,000 | 3,700 | 0.3500 | 0.1300 | 0.4000 |" in text


def test_a_file_of_results_is_printed_and_drawn_again(results, tmp_path):
    (tmp_path / "scale.json").write_text(json.dumps(results))
    command = [sys.executable, "benchmarks/scale.py", "--from", tmp_path / "scale.json", "--figure", tmp_path / "scale.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == report.tables(results) and (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_readme_has_the_figures_that_are_kept():
    kept, readme = scale.read_results(ROOT / "benchmarks/scale.json"), (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in report.tables(kept).splitlines() if line.startswith("| ")]
    assert len(rows) > 20 and [row for row in rows if row not in readme] == []


def test_where_everything_failed_that_is_said(results, tmp_path):
    for of in results["sizes"].values():
        of["stages"] = {"clean": of["stages"]["clean"] | {"failed": "no space"}}
    assert "1 M: clean failed: no space" in report.tables(results)
    report.draw(results, tmp_path / "scale.png")
    assert report.tables({"machine": {}, "sizes": {}}) == "Nothing was measured."


def test_names_are_kept_apart_in_order():
    placed = report.apart({"b": 0.5, "a": 0.5, "c": 0.51, "d": 0.9, "e": 0.1})
    assert sorted(placed, key=placed.get)[::4] == ["e", "d"] and placed["d"] == 0.9 and placed["e"] == 0.1
    assert (np.diff(sorted(placed.values())) > 0.99 * report.LINE_HEIGHT).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "1,x"], "--sizes 1,x: write millions of interactions"),
        (["--sizes", "0"], "--sizes 0: write millions"),
        (["--set", "lrr=1"], "unknown key 'lrr'"),
        (["--from", "params.yaml"], "params.yaml holds no results of this benchmark"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, message, tmp_path):
    done = subprocess.run([sys.executable, "benchmarks/scale.py", "--folder", tmp_path, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
