"""`make repro`: the data set that can be obtained, and the folder of your own data."""

import subprocess

import pytest
import repro
from imports import ROOT

from movierec.utils.errors import UserError
from movierec.utils.params import read_params


@pytest.fixture
def run_with(tmp_path, monkeypatch):
    """A maker of runs with a data set and a reason why MovieLens 1M is missing: the data set of the run."""

    def run(dataset, reason):
        path = tmp_path / "params.yaml"
        path.write_text((ROOT / "params.yaml").read_text().replace("dataset: ml-1m", f"dataset: {dataset}"))
        ran = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("MOVIELENS_ARCHIVES", raising=False)
        monkeypatch.setattr(repro, "check_folder", lambda *arguments: ran.append("check_folder"))
        monkeypatch.setattr(repro, "up_to_date", lambda stage: False)
        monkeypatch.setattr(repro, "why_missing", lambda dataset: reason)
        monkeypatch.setattr(repro, "summary", lambda: ran.append("summary"))
        monkeypatch.setattr(repro.subprocess, "run", lambda command: subprocess.CompletedProcess(command, 0))
        assert repro.main() == 0 and ran == ["check_folder", "summary"]
        return read_params(path).dataset

    return run


def test_with_the_archive_dvc_is_not_asked_for_its_state(run_with, tmp_path):
    (tmp_path / "data/archives").mkdir(parents=True)
    (tmp_path / "data/archives/ml-1m.zip").touch()
    assert run_with("ml-1m", "not asked") == "ml-1m"


def test_where_movielens_1m_is_missing_100k_takes_its_place_with_a_message(run_with, capsys):
    assert run_with("ml-1m", "no archive") == "ml-100k"
    assert "MovieLens 1M can't be had (no archive): setting `dataset: ml-100k`" in capsys.readouterr().out


@pytest.mark.parametrize(("dataset", "reason"), [("ml-1m", None), ("path", "no archive"), ("ml-20m", "no archive")])
def test_otherwise_the_data_set_stays(run_with, dataset, reason):
    assert run_with(dataset, reason) == dataset


@pytest.mark.parametrize(
    ("dataset", "md5", "others"),
    [("ml-1m", "a.dir", []), ("ml-1m", "b.dir", ["movies.dat", "ratings.dat"]), ("ml-100k", "b.dir", [])],
)
def test_files_that_are_not_those_of_the_committed_run_are_named(tmp_path, monkeypatch, dataset, md5, others):
    lock = "stages: {{download: {{params: {{params.yaml: {{dataset: {}}}}}, outs: [{{path: data/raw, md5: {}}}]}}}}"
    (tmp_path / "dvc.lock").write_text(lock.format("ml-1m", "a.dir"))
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "run"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "dvc.lock").write_text(lock.format(dataset, md5))
    (tmp_path / "data/raw").mkdir(parents=True)
    for name in ("ratings.dat", "movies.dat"):
        (tmp_path / "data/raw" / name).touch()
    monkeypatch.chdir(tmp_path)
    assert repro.other_files() == others


@pytest.mark.parametrize(("path", "said"), [("models", "overlaps with models/"), ("nowhere", "is not a folder")])
def test_a_wrong_data_path_is_named_before_dvc_runs(tmp_path, monkeypatch, path, said):
    (tmp_path / "models").mkdir()
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    params = (ROOT / "params.yaml").read_text().replace("data_path: data/own", f"data_path: {path}")
    (tmp_path / "params.yaml").write_text(params)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(repro, "ROOT", tmp_path)
    monkeypatch.setattr(repro.subprocess, "run", lambda *_, **__: pytest.fail("DVC runs"))
    with pytest.raises(UserError, match=f"^data_path '{path}' .*{said}"):
        repro.main()
