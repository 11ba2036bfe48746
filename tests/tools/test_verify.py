"""`make verify`: the table of hashes, and the conclusion."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import verify
from imports import ROOT
from stage_runner import STAGES

from movierec.utils.errors import UserError
from movierec.utils.storage import write_json, write_table

SAME = dict.fromkeys(STAGES, "0" * 32)
TRAIN_DIFFERS, SPLIT_DIFFERS = SAME | {"train": "1" * 32}, SAME | {"split": "1" * 32}
WITHOUT_PAGE = {stage: of for stage, of in SAME.items() if stage != "page"}


@pytest.mark.parametrize(
    ("one", "other", "committed", "code", "message"),
    [
        (SAME, SAME, SAME, 0, "The same bytes."),
        (SAME, TRAIN_DIFFERS, SAME, 1, "The two clones differ in train."),
        (SAME, SAME, SPLIT_DIFFERS, 0, "The same up to rounding: metrics within 0.0004, lists overlap 99.5%."),
        (SAME, WITHOUT_PAGE, None, 1, "The two clones differ in page."),
    ],
)
def test_the_table_and_the_exit_code_show_which_stages_differ(capsys, one, other, committed, code, message):
    found = dict(zip(verify.CONDITIONS, (one, other))) | ({"committed": committed} if committed else {})
    assert verify.show(found, {"metrics/test/ndcg@20.json": 0.0004, "metrics/test/map@20.json": 0.0}, 0.995)[0] == code
    *table, conclusion = capsys.readouterr().out.splitlines()
    assert conclusion.startswith(message) and any("differs" in line for line in table) == ("bytes" not in message)


def test_metrics_that_differ_by_more_than_rounding_are_named(capsys):
    found = dict(zip(verify.CONDITIONS, (SAME, SAME))) | {"committed": TRAIN_DIFFERS}
    words = "Different: metrics/test/ndcg@20.json by 0.0104."
    assert verify.show(found, {"metrics/test/ndcg@20.json": 0.0104, "metrics/test/map@20.json": 0.0}, None) == (
        1,
        words,
    )
    assert capsys.readouterr().out.splitlines()[-1] == words


def test_a_machine_has_one_verdict_for_each_python():
    other = {"processor": "another", "verdict": "The same bytes."}
    first = verify.with_this_machine([other], "Different.")
    *others, this = verify.with_this_machine(first, "The same bytes.")
    assert others == [other] and (this["verdict"], this["dgl"]) == ("The same bytes.", "1.1.3")


def test_metrics_and_lists_are_compared_with_the_committed_ones(project, monkeypatch):
    write_json({"model": 0.25, "EASE": 0.2}, project / "metrics/test/ndcg@20.json")
    write_json({"model": 12}, project / "metrics/test/novelty@20.json")
    committed = pd.DataFrame({"UserID": [1, 1, 2, 2], "MovieID": [5, 6, 5, 7]})
    write_table(committed, project / ".dvc/cache/files/md5/bb/cd")
    write_json([{"md5": "bbcd", "relpath": "recommendations.parquet"}], project / ".dvc/cache/files/md5/aa/1.dir")
    (project / "dvc.lock").write_text("stages: {recommend: {outs: [{path: data/recommendations, md5: aa1.dir}]}}")
    commit(project)
    write_json({"model": 0.2498, "EASE": 0.2001}, project / "metrics/test/ndcg@20.json")
    write_json({"model": 13}, project / "metrics/test/novelty@20.json")
    now = committed.assign(MovieID=[6, 5, 5, 9])
    write_table(now, project / "data/recommendations/recommendations.parquet")
    assert verify.metric_changes(project) == pytest.approx({"metrics/test/ndcg@20.json": 0.0002})
    assert verify.list_overlap(project) == 0.75
    (project / ".dvc/cache/files/md5/aa/1.dir").unlink()
    assert verify.list_overlap(project) is None


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
    subprocess.run(["git", "init", "-q", str(tmp_path / "all")], check=True)
    commit(project)
    return project


def commit(project):
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", "run"]):
        subprocess.run(["git", *command], cwd=project, check=True)


def test_a_project_in_a_larger_repository_is_cloned_with_it(project, tmp_path):
    assert verify.clone(tmp_path / "clone 1") == tmp_path / "clone 1/services/rec"
    assert (tmp_path / "clone 1/services/rec/params.yaml").read_bytes() == (project / "params.yaml").read_bytes()


def test_another_data_set_than_the_committed_one_is_not_recorded(project, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["verify.py", "--record"])
    monkeypatch.setattr(verify.repro, "why_missing", lambda dataset: "no archive")
    monkeypatch.setattr(verify, "run", lambda *_: pytest.fail("the pipeline runs"))
    with pytest.raises(UserError, match=r"^--record needs MovieLens 1M, which can't be had \(no archive\)"):
        verify.main()
