"""Stages that are killed, interrupted, or refused their memory."""

import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from imports import ROOT
from stage_runner import _stage

from movierec.utils.errors import UserError
from movierec.utils.params import param_names

KILLS = int(os.environ.get("KILLS", 15))  # one for each stage; KILLS=100 make test for more


def test_a_stage_that_is_killed_leaves_whole_files_or_none_and_then_gives_the_same(small_data):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/helpers")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/stages/kill_stages.py", str(small_data), str(KILLS)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.endswith(f"{KILLS} kills, no difference\n"), done.stdout + done.stderr
    assert done.stdout.count("done before it") < KILLS / 2, "most kills come in time"


def test_a_stage_that_dvc_runs_on_a_terminal_has_a_spinner():
    code = (
        "import sys, time; sys.argv = ['stages/x.py']; import _stage; _stage.run(lambda: (time.sleep(.3), print('y')))"
    )
    by_hand = os.environ | {"PYTHONPATH": str(ROOT / "stages")}
    by_dvc = by_hand | {"DVC_STAGE": "x", "TERM": "xterm"}
    command = [sys.executable, "-c", code]

    def shown(environment):
        leader, follower = pty.openpty()
        subprocess.run(command, env=environment, stdout=follower, check=True)
        os.close(follower)
        return os.read(leader, 2**16).decode()

    assert shown(by_hand) == "y\r\n"
    assert re.search(r"[\u2800-\u28ff]\S* x", shown(by_dvc)) and "y\r\n" in shown(by_dvc)
    assert subprocess.run(command, env=by_dvc, capture_output=True, text=True).stdout == "y\n", "no terminal"


def stopped(main):
    """The line and the exit code with which a stage ends."""
    before = os.getcwd()
    try:
        with pytest.raises(SystemExit) as stop:
            _stage.run(main)
    finally:
        os.chdir(before)
    return stop.value.code


@pytest.mark.parametrize("main", [lambda: np.empty(2**60, np.int8), lambda: torch.empty(2**60)])
def test_too_little_memory_is_one_line(monkeypatch, main):
    monkeypatch.setattr(sys, "argv", ["stages/x.py"])
    monkeypatch.delenv("MOVIEREC_DEBUG", raising=False)
    line = stopped(main)
    assert line.startswith("x: not enough memory") and "\n" not in line
    keys = set(re.findall(r"[a-z]+(?:[_.][a-z]+)+", line)) - {"params.yaml"}
    assert keys <= set(param_names()) and "embedding_dim" in keys


def test_an_interrupted_stage_says_so_without_a_traceback(monkeypatch, capsys):
    def main():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["stages/x.py"])
    monkeypatch.delenv("MOVIEREC_DEBUG", raising=False)
    assert stopped(main) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("x: interrupted") and "`dvc repro`" in line


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
