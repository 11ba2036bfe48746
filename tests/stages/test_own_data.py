"""Your own data as an input of the pipeline: alone, in DVC's temporary copies, and beside other files."""

import json

import pytest
from project import Project
from stage_runner import run_stage, set_up

TABLE = "user,item,rating\n" + "".join(f"u{user},i{item},4\n" for user in range(200) for item in range(3))


def put(folder, text=TABLE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "interactions.csv").write_text(text)
    return folder


def listed(folder):
    return json.loads((folder / "data/own_data.json").read_text())


def test_the_list_has_the_files_of_your_own_data_and_is_empty_for_a_release(tmp_path, monkeypatch):
    put(set_up(tmp_path, dataset="path") / "data/own")
    assert run_stage("own_data", tmp_path, monkeypatch) is None
    assert listed(tmp_path)["data_path"] == "data/own" and list(listed(tmp_path)["files"]) == ["interactions.csv"]
    assert run_stage("download", tmp_path, monkeypatch) is None
    assert (tmp_path / "data/raw/interactions.csv").read_text() == TABLE
    (tmp_path / "data/own/interactions.csv").write_text("other")
    assert run_stage("download", tmp_path, monkeypatch).startswith("download: data/own/interactions.csv has changed")
    assert (tmp_path / "data/raw/interactions.csv").read_text() == TABLE, "what was there stays"
    set_up(tmp_path, dataset="ml-1m")
    assert run_stage("own_data", tmp_path, monkeypatch) is None and listed(tmp_path) == {}
    set_up(tmp_path, dataset="path")
    assert "own_data.json is of a release; `dvc repro` lists" in run_stage("download", tmp_path, monkeypatch)


def test_data_in_an_output_are_refused_and_stay(tmp_path, monkeypatch):
    put(set_up(tmp_path, dataset="path", data_path="link") / "data/raw")
    (tmp_path / "link").symlink_to("data/raw")
    assert "data_path 'link' in params.yaml overlaps with data/raw" in run_stage("own_data", tmp_path, monkeypatch)
    assert (tmp_path / "data/raw/interactions.csv").read_text() == TABLE


@pytest.mark.parametrize("copy", ["standalone/tmp1", "tmp2"])
def test_a_temporary_copy_takes_data_and_archives_of_the_project(tmp_path, monkeypatch, copy):
    copied = set_up_copy(tmp_path, copy, dataset="path")
    put(tmp_path / "data/own")
    (copied / "data/own").mkdir(parents=True)
    assert run_stage("own_data", copied, monkeypatch) is None and run_stage("download", copied, monkeypatch) is None
    assert (copied / "data/raw/interactions.csv").read_text() == TABLE and listed(copied)["data_path"] == "data/own"
    put(copied / "data/own", "user,item\n1,1\n")
    assert run_stage("own_data", copied, monkeypatch) is None
    assert listed(copied)["files"]["interactions.csv"]["size"] == 14, "its own come first"
    monkeypatch.setenv("MOVIELENS_ARCHIVES", "archives")
    set_up_copy(tmp_path, copy, dataset="ml-1m")
    put(tmp_path / "archives").joinpath("ml-1m.zip").write_text("no zip")
    assert f"{tmp_path}/archives/ml-1m.zip is not a complete zip" in run_stage("download", copied, monkeypatch)


def set_up_copy(project, name, **params):
    """A copy as DVC makes it in a project for an experiment, with its params."""
    copied = project / ".dvc/tmp/exps" / name
    copied.mkdir(parents=True, exist_ok=True)
    return set_up(copied, **params)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with data in data/own that Git and DVC do not track, and a run of `download`, committed."""
    project = Project(tmp_path_factory.mktemp("project"), "data/own")
    put(project.folder / "data/own")
    assert project.dvc("repro", "download").count("Running stage") == 2
    project.commit("run")
    return project


def test_other_files_beside_the_data_rerun_nothing(project):
    for name in (".DS_Store", "notes.txt", "interactions.csv.bak"):
        (project.folder / "data/own" / name).touch()
    assert "Running stage" not in project.dvc("repro", "download")
    put(project.folder / "elsewhere")
    project.dvc("exp", "run", "-S", "data_path=elsewhere", "download")
    (project.folder / "elsewhere/.hidden").touch()
    output = project.dvc("repro", "download")
    assert "Running stage 'own-data'" in output and "Running stage 'download'" not in output
    project.call("git", "checkout", "-q", ".")


def test_data_that_nothing_tracks_are_found_by_an_experiment_in_a_temporary_copy(project):
    changed = put(project.folder / "data/own", TABLE + "u1,i9,5\n")
    output = project.dvc("exp", "run", "--temp", "download")
    assert "data/raw: interactions.csv from data/own" in output and "Ran experiment" in output
    put(changed, TABLE)


def test_added_files_are_seen_by_dvc_and_the_stage_can_be_frozen(project):
    project.dvc("freeze", "download")
    assert "'download' is frozen" in project.dvc("repro", "download")
    project.call("git", "checkout", "-q", "dvc.yaml")
    project.dvc("add", "data/own/interactions.csv")
    assert project.call("git", "status", "--porcelain", "data") == "?? data/own/interactions.csv.dvc\n"
    assert "data/own/interactions.csv.dvc" in project.dvc("stage", "list", "--all", "--name-only")
    assert "Running stage 'download'" not in project.dvc("repro", "download")


def test_a_path_with_any_characters_is_given_in_quotes(project):
    path = """Müller's "größe" [1], {2} = #3"""
    put(project.folder / path)
    quoted = path.replace("'", "\\'")
    project.dvc("exp", "run", "-S", f"data_path='{quoted}'", "own-data")
    assert listed(project.folder)["data_path"] == path
    project.call("git", "checkout", "-q", ".")
