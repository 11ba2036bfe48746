"""The package as another project installs it, with a public model of one file."""

import json
import subprocess
import sys
import venv
import zipfile

import numpy as np
import pytest
from imports import ROOT
from small_recommender import ITEM_IDS, N_ITEMS, small, write_small

from movierec.recommend.export import export

PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
MOVIES = "".join(f"{movie_id}::Film {item}, The ({1950 + item})::Drama|War\n" for item, movie_id in enumerate(ITEM_IDS))


def call(*command, cwd):
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the package, built of a copy as the build writes into its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(["git", "ls-files", "movierec", "pyproject.toml"], cwd=ROOT, capture_output=True, text=True)
    for name in files.stdout.split():
        if (ROOT / name).exists():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    call(sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, "./source", cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_the_page_and_says_that_it_is_typed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"movierec/py.typed", "movierec/page/page.html", "movierec/evaluation/model_card.md.jinja"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "stages", "tools", "benchmarks"))]


def test_a_new_environment_recommends_with_a_public_model(wheel, tmp_path):
    write_small(tmp_path, small())
    export(tmp_path, tmp_path / "public.npz", public=True)
    (tmp_path / "movies.dat").write_text(MOVIES)
    venv.create(tmp_path / "venv", with_pip=True)
    python, folder = tmp_path / "venv/bin/python", tmp_path / "venv/lib"
    empty = size_of(folder)
    requirements = ROOT / "requirements-serve.txt"
    call(python, *PIP, "install", "--no-compile", "--require-hashes", "-r", requirements, cwd=tmp_path)
    call(python, *PIP, "install", "--no-compile", "--no-deps", wheel, cwd=tmp_path)
    assert size_of(folder) - empty < 200e6
    question = ["like", "the film 3", ITEM_IDS[8], "--model", "public.npz", "--titles", "movies.dat", "--json"]
    found = json.loads(call(tmp_path / "venv/bin/movierec", *question, cwd=tmp_path))
    assert found["likes"] == ITEM_IDS[[3, 8]].tolist()
    assert len(found["recommendations"]) == 20 and found["recommendations"][0]["title"].startswith("The Film")
    expected = small().recommender.recommend_new(found["likes"], k=N_ITEMS)["MovieID"][:20]
    assert np.isin([of["movie_id"] for of in found["recommendations"]], expected).mean() > 0.8, "two of three parts"


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
