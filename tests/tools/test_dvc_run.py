"""`make repro` runs a DVC that a kill can't leave with half a dvc.lock or half a list of locks."""

import contextlib
import os
import signal
import subprocess
import sys

import dvc_run
import pytest
from dvc_objects.fs.local import FsspecLocalFileSystem as Files
from imports import ROOT

PIPELINE = "stages:\n  one:\n    cmd: echo 1 > one.txt\n    outs: [one.txt]\n"
PIPELINE += "  two:\n    cmd: echo 2 > two.txt\n    deps: [one.txt]\n    outs: [two.txt]\n"
RUN = [sys.executable, str(ROOT / "tools/dvc_run.py"), "repro", "-q"]
# Run as tools/dvc_run.py, but die at the n-th rename of a file that is written whole: sys.argv[1] is n, [2] when.
DYING = """
import os, signal, sys
sys.path.insert(0, "{tools}")
import dvc_run
rename, left, after = os.replace, [int(sys.argv[1])], sys.argv[2] == "after"
def replace(source, target):
    left[0] -= str(source).endswith(".partial")
    if not left[0] and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
from dvc.cli import main
dvc_run.write_whole()
sys.exit(main(["repro", "-q"]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A maker of repositories of two stages, run with a command: its exit code and the folder."""

    def make(name, command):
        folder = tmp_path_factory.mktemp(name)
        (folder / "dvc.yaml").write_text(PIPELINE)
        for start in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
            subprocess.run(start, cwd=folder, check=True)
        return subprocess.run(command, cwd=folder).returncode, folder

    return make


@pytest.fixture(scope="module")
def whole(run):
    code, folder = run("whole", RUN)
    assert code == 0
    return (folder / "dvc.lock").read_text()


@pytest.mark.parametrize(("number", "when"), [(1, "before"), (5, "after"), (7, "before"), (7, "after"), (12, "before")])
def test_after_a_kill_while_dvc_writes_the_next_run_ends_with_the_same_lock(run, whole, number, when):
    dying = [sys.executable, "-c", DYING.format(tools=ROOT / "tools"), str(number), when]
    code, folder = run("killed", dying)
    assert code == -signal.SIGKILL
    assert subprocess.run(RUN, cwd=folder).returncode == 0
    assert (folder / "dvc.lock").read_text() == whole


def test_a_file_is_replaced_once_it_is_whole_and_others_are_written_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(Files, "open", Files.open)
    dvc_run.write_whole()
    lock, other = tmp_path / "dvc.lock", tmp_path / "x"
    lock.write_text("old")
    with contextlib.suppress(ZeroDivisionError), Files().open(str(lock), "w+", encoding="utf-8") as file:
        file.write("half")
        raise ZeroDivisionError
    assert lock.read_text() == "old"
    with Files().open(str(lock), "w", encoding="utf-8") as file:
        file.write("new")
        file.flush()
        assert lock.read_text() == "old"
    assert Files().open(str(lock)).read() == "new" and os.listdir(tmp_path) == ["dvc.lock"]
    with Files().open(str(other), "w") as file:
        file.write("x")
        assert other.exists()


def test_another_version_of_dvc_runs_as_it_is(monkeypatch):
    monkeypatch.delattr(Files, "open")
    dvc_run.write_whole()
    assert "open" not in vars(Files)
