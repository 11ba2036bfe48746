"""The check of a commit."""

import json

import check_lock
import pytest


@pytest.fixture
def commit(tmp_path, monkeypatch):
    """A maker of commits: the stages that would run, a stage's dependencies in dvc.lock, and the margins."""

    def make(stages=(), locked=("a", "mine"), **margins):
        file = tmp_path / "metrics/test/ndcg@20_model_minus_low.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"EASE": 0.02, "item-kNN": 0.1, "popularity": 0.2} | margins))
        monkeypatch.setattr(check_lock, "ROOT", tmp_path)
        (tmp_path / "params.yaml").write_text("data_path: mine")
        (tmp_path / "dvc.yaml").write_text("stages: {train: {deps: [a, '${data_path}']}}")
        lock = {"stages": {"train": {"deps": [{"path": path} for path in locked]}}}
        (tmp_path / "dvc.lock").write_text(json.dumps(lock))
        monkeypatch.setattr(check_lock, "stages_to_run", lambda: list(stages))
        return check_lock.problem()

    return make


def test_a_commit_in_step_has_no_problem(commit):
    assert commit() is None


def test_stages_that_would_run_are_named(commit):
    assert "train, evaluate" in commit(stages=["train", "evaluate"])


def test_a_dependency_that_is_none_any_more_is_found(commit):
    assert "`dvc commit -f train`" in commit(locked=("a", "mine", "b"))


@pytest.mark.parametrize("margin", [0.0, -0.01])
def test_a_baseline_that_is_not_clearly_beaten_is_named(commit, margin):
    message = commit(EASE=margin)
    assert "EASE" in message
    assert "item-kNN" not in message


def test_the_stages_to_run_are_read_from_dvc(monkeypatch):
    class Done:
        returncode = 0
        stdout = "Stage 'clean' didn't change, skipping\nRunning stage 'train':\n> python stages/train.py\n"

    monkeypatch.setattr(check_lock.subprocess, "run", lambda *_, **__: Done)
    assert check_lock.stages_to_run() == ["train"]
