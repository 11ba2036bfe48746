"""What is left when a stage is killed, interrupted, or refused its disk or its memory."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from imports import ROOT
from stage_runner import _stage

from movierec import storage
from movierec.errors import UserError

KILLS = int(os.environ.get("KILLS", 14))  # one for each stage; KILLS=100 make test for more


def test_a_stage_that_is_killed_leaves_whole_files_or_none_and_then_gives_the_same(small_data):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/kill_stages.py", str(small_data), str(KILLS)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.endswith(f"{KILLS} kills, no difference\n"), done.stdout + done.stderr


@contextlib.contextmanager
def file_size_limit(size):
    """Files of this process may not grow beyond `size` bytes, as on a disk that is full from there on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def in_parts(path):
    with storage.writing_table(path, {"a": "float64"}) as writer:
        for _ in range(3):
            writer.append(TABLE)


TABLE = pd.DataFrame({"a": np.random.default_rng(0).random(5000)})
WRITERS = {
    "t.parquet": lambda path: storage.write_table(TABLE, path),
    "p.parquet": lambda path: in_parts(path),
    "csv_parts.csv": lambda path: storage.write_csv_parts([TABLE, TABLE], path),
    "a.npz": lambda path: storage.write_arrays(path, x=np.random.default_rng(0).random(5000)),
    "m.json": lambda path: storage.write_json({str(i): i for i in range(5000)}, path),
    "c.csv": lambda path: storage.write_csv(TABLE, path),
    "metrics": lambda path: storage.write_metrics({str(i): {"model": 0.5} for i in range(3)} | {"x": {str(i): 0.1 for i in range(500)}}, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_the_old_file_stays_and_the_message_names_it(tmp_path, name):
    path = tmp_path / name
    old = path / "old.json" if name == "metrics" else path
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    with file_size_limit(1000), pytest.raises(UserError) as error:
        WRITERS[name](path)
    named = path.with_name(".metrics.partial") / "x.json" if name == "metrics" else path
    assert str(error.value) == f"{named}: File too large; free some space or mend the permissions, then run it again."
    assert old.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.fixture
def forbidden():
    """A folder in which this process may read and not write, even where the tests are run by root."""
    folder = Path(tempfile.mkdtemp())
    (folder / "old.json").write_text("{}")
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["old.json", "new/deep.json"])
def test_without_permission_the_message_names_the_file_and_nothing_changes(forbidden, name):
    with pytest.raises(UserError) as error:
        storage.write_json({"a": 1}, forbidden / name)
    assert str(error.value) == f"{forbidden / name}: Permission denied; free some space or mend the permissions, then run it again."
    assert [p.name for p in forbidden.iterdir()] == ["old.json"] and (forbidden / "old.json").read_text() == "{}"


def stopped(main):
    """The line and the exit code with which a stage ends."""
    before = os.getcwd()
    try:
        with pytest.raises(SystemExit) as stop:
            _stage.run(main)
    finally:
        os.chdir(before)
    return stop.value.code


MEMORY = (
    "x: not enough memory; close other programs, or make the job smaller in params.yaml: a higher k_core, a lower kernel_max_nodes, "
    "ease_max_items or embedding_dim. MOVIEREC_DEBUG=1 shows where."
)


@pytest.mark.parametrize("main", [lambda: np.empty(2**60, np.int8), lambda: torch.empty(2**60)])
def test_too_little_memory_is_one_line(monkeypatch, main):
    monkeypatch.setattr(sys, "argv", ["stages/x.py"])
    monkeypatch.delenv("MOVIEREC_DEBUG", raising=False)
    assert stopped(main) == MEMORY


def test_an_interrupted_stage_says_so_without_a_traceback(monkeypatch, capsys):
    def main():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["stages/x.py"])
    monkeypatch.delenv("MOVIEREC_DEBUG", raising=False)
    assert stopped(main) == 130
    assert capsys.readouterr().err == "x: interrupted; what it had written is whole, and `dvc repro` goes on from there.\n"


def test_a_bug_shows_its_traceback_and_with_the_debug_variable_so_does_everything(monkeypatch):
    def bug():
        raise ZeroDivisionError

    def mistake():
        raise UserError("x")

    with pytest.raises(ZeroDivisionError):
        _stage.run(bug)
    monkeypatch.setenv("MOVIEREC_DEBUG", "1")
    with pytest.raises(UserError):
        _stage.run(mistake)
