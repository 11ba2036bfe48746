"""The commands of `movierec` as processes run them."""

import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys

import pytest
from imports import ROOT
from small_recommender import ITEM_IDS

from movierec.recommend import cli


def test_the_module_runs_in_the_folder_of_a_project(models, tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "models").symlink_to(models[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["movierec", "--user", "110", "--top", "2", "--json"])
    runpy.run_module("movierec", run_name="__main__")
    line = json.loads(capsys.readouterr().out)
    assert (line["user_id"], len(line["recommendations"])) == (110, 2)
    monkeypatch.setattr(sys, "argv", ["movierec", "--user", "7"])
    with pytest.raises(SystemExit, match=r"^movierec: no user 7: "):
        runpy.run_module("movierec", run_name="__main__")
    (tmp_path / "params.yaml").unlink()
    monkeypatch.setattr(sys, "argv", ["movierec", "--user", "110", "--json"])
    runpy.run_module("movierec", run_name="__main__")
    assert len(json.loads(capsys.readouterr().out)["recommendations"]) == cli.Defaults().top_k == 20


@pytest.mark.parametrize("temporal", [False, True])
@pytest.mark.parametrize("question", ["--user 110", "like 'film 1'", "similar 'film 1'", "info"])
def test_one_answer_does_without_the_libraries_of_training(models, tmp_path, question, temporal):
    code = "import runpy, sys; runpy.run_module('movierec', run_name='__main__'); print(*sys.modules)"
    command = [sys.executable, "-c", code, *shlex.split(question), "--models", str(models[temporal])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert "Film" in found or "movies" in found
    assert not {"torch", "dgl", "pandas", "scipy", "sklearn", "pydantic", "dvc"} & set(found.split())


def test_an_update_and_its_recommendations(models, tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "models").symlink_to(models[1])
    (tmp_path / "day").mkdir()
    (tmp_path / "day/interactions.csv").write_text(f"user,item,rating,timestamp\n7,{ITEM_IDS[3]},5,2000000000\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["movierec", "update", "day", "--to", "updated"])
    runpy.run_module("movierec", run_name="__main__")
    said = capsys.readouterr().out
    assert "new: 1 ratings, 1 users, 0 movies" in said
    assert "python -m movierec recommend --models updated --user 7" in said
    monkeypatch.setattr(sys, "argv", ["movierec", "--models", "updated", "--user", "7", "--top", "2", "--json"])
    runpy.run_module("movierec", run_name="__main__")
    assert len(json.loads(capsys.readouterr().out)["recommendations"]) == 2
    monkeypatch.setattr(sys, "argv", ["movierec", "update"])
    with pytest.raises(SystemExit):
        runpy.run_module("movierec", run_name="__main__")
    assert "FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], [], ["recommend", "--top", "many"], ["similar"], ["--usr", "1"]])
def test_help_and_wrong_arguments_load_no_library(tmp_path, argv):
    code = "import runpy, sys\ntry: runpy.run_module('movierec', run_name='__main__')\nfinally: print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    call = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", code, *argv], env=environment, **call)
    assert done.returncode == (0 if argv in ([], ["--help"]) else 2) and "Usage: movierec" in done.stdout + done.stderr
    assert not {"numpy", "pydantic", "rapidfuzz"} & set(done.stdout.split())
    assert "\x1b[" not in done.stdout + done.stderr, "no colours where it is no terminal"


def test_help_has_colours_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["movierec", "like", "--help"])
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(SystemExit):
        runpy.run_module("movierec", run_name="__main__")
    assert "\x1b[36m--dislike\x1b[0m" in capsys.readouterr().out


def test_the_page_is_opened_where_there_is_one(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["movierec", "page"])
    with pytest.raises(
        SystemExit, match=r"^movierec: plots/recommendations\.html is missing; `dvc repro page` makes it"
    ):
        runpy.run_module("movierec", run_name="__main__")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots/recommendations.html").touch()
    runpy.run_module("movierec", run_name="__main__")
    assert opened == [(tmp_path / "plots/recommendations.html").as_uri()]
    assert capsys.readouterr().out == "plots/recommendations.html\n"
