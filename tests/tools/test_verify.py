"""`make verify`: the table of hashes, and the conclusion."""

import json
import subprocess
import sys

import pytest
import verify
from imports import ROOT
from stage_runner import STAGES

from movierec.utils.errors import UserError

SAME = dict.fromkeys(STAGES, "0" * 32)
TRAIN_DIFFERS, SPLIT_DIFFERS = SAME | {"train": "1" * 32}, SAME | {"split": "1" * 32}
WITHOUT_PAGE = {stage: of for stage, of in SAME.items() if stage != "page"}


@pytest.mark.parametrize(
    ("one", "other", "committed", "code", "message"),
    [
        (SAME, SAME, SAME, 0, "All bytes are the same."),
        (SAME, TRAIN_DIFFERS, SAME, 1, "The two clones differ in train."),
        (SAME, SAME, SPLIT_DIFFERS, 0, "The two clones agree; the committed run differs in split: "),
        (SAME, WITHOUT_PAGE, None, 1, "The two clones differ in page."),
    ],
)
def test_the_table_and_the_exit_code_show_which_stages_differ(capsys, one, other, committed, code, message):
    found = dict(zip(verify.CONDITIONS, (one, other))) | ({"committed": committed} if committed else {})
    assert verify.show(found) == code
    *table, conclusion = capsys.readouterr().out.splitlines()
    assert conclusion.startswith(message) and sum("differs" in line for line in table) == ("All" not in message)


def test_the_hash_of_a_stage_is_of_its_outputs_alone(tmp_path):
    lock = "stages:\n  a:\n    cmd: {cmd}\n    outs:\n    - path: x\n      md5: {md5}\n"
    found = []
    for cmd, md5 in (("one", "1"), ("two", "1"), ("one", "2")):
        (tmp_path / "dvc.lock").write_text(lock.format(cmd=cmd, md5=f"'{md5}'"))
        found.append(verify.stages(tmp_path / "dvc.lock")["a"])
    assert found[0] == found[1] != found[2]


def test_the_committed_hashes_of_the_recorded_verification_are_those_of_the_lock():
    recorded = json.loads((ROOT / "benchmarks/results/verify.json").read_text())["stages"]
    assert {stage: of["committed"] for stage, of in recorded.items()} == verify.stages(ROOT / "dvc.lock")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project that is a folder of a larger repository."""
    project = tmp_path / "all/services/rec"
    project.mkdir(parents=True)
    (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.setattr(verify.repro, "ROOT", project)
    commit = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "start"]
    for command in (["init", "-q", str(tmp_path / "all")], ["add", "-A"], commit):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


def test_a_project_in_a_larger_repository_is_cloned_with_it(project, tmp_path):
    assert verify.clone(tmp_path / "clone 1") == tmp_path / "clone 1/services/rec"
    assert (tmp_path / "clone 1/services/rec/params.yaml").read_bytes() == (project / "params.yaml").read_bytes()


def test_another_data_set_than_the_committed_one_is_not_recorded(project, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["verify.py", "--record"])
    monkeypatch.setattr(verify.repro, "why_missing", lambda dataset: "no archive")
    monkeypatch.setattr(verify, "run", lambda *_: pytest.fail("the pipeline runs"))
    with pytest.raises(UserError, match=r"^--record needs MovieLens 1M, which can't be had \(no archive\)"):
        verify.main()
