"""What the tests share: no randomness of their own, a small world of users and movies, and a part of MovieLens 100K."""

import movierec  # noqa: F401  # before NumPy: it pins the code that the libraries choose by processor

# isort: split
import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from browser import running
from filelock import FileLock
from hypothesis import settings
from imports import ROOT
from project import Project, stages_run
from stage_runner import STAGES

from movierec.datasets.download import Unreachable, fetch_recbole
from movierec.interactions.graph_arrays import graph_arrays
from movierec.utils.params import Params, check_params, read_yaml

N_USERS = 150  # of MovieLens 100K, in `small_data`

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
# `make fuzz`: other examples each time, and as many as time allows.
settings.register_profile("fuzz", deadline=None, database=None, max_examples=4_000_000)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items):
    """The pipeline's tests first: they take longest, and the others run beside them."""
    items.sort(key=lambda item: item.path.name not in ("test_pipeline.py", "test_experiments.py"))


def params_with(**changes) -> Params:
    """The params of params.yaml with some changes; those of a group are a dictionary."""
    values = read_yaml(ROOT / "params.yaml")
    for key, value in changes.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return check_params(values, "params")


@pytest.fixture
def random_interactions():
    """A maker of random (n_users, n_items) matrices of interactions."""

    def make(n_users, n_items, density=0.3, seed=0):
        dense = np.random.default_rng(seed).random((n_users, n_items)) < density
        return sp.csr_matrix(dense.astype(np.float32))

    return make


@pytest.fixture
def graph_of():
    """A maker of graph arrays without features."""

    def make(train):
        n_users, n_items = train.shape
        return graph_arrays(train, np.zeros((n_users, 2), np.int8), np.zeros((n_items, 0), np.int8))

    return make


@pytest.fixture
def checkerboard():
    """Even users like even items, odd users odd ones; each user misses one of theirs, which is to be found.

    Returns:
        train (n_users, n_items), missing (n_users, n_items).
    """
    n_users, n_items = 40, 20
    liked = (np.add.outer(np.arange(n_users), np.arange(n_items)) % 2 == 0).astype(np.float32)
    missing = np.zeros_like(liked)
    for user in range(n_users):
        missing[user, np.flatnonzero(liked[user])[user // 2 % 10]] = 1
    return sp.csr_matrix(liked - missing), sp.csr_matrix(missing)


@pytest.fixture(scope="session")
def recommender():
    """Of a small data set, split at random."""
    from small_recommender import small  # which imports this file

    return small().recommender


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folders of a small model and of one that follows time."""
    from small_recommender import small, write_small

    folders = [tmp_path_factory.mktemp("models") for _ in range(2)]
    for temporal, folder in enumerate(folders):
        write_small(folder, small(bool(temporal)))
    return folders


@pytest.fixture(scope="module")
def browser():
    """A real browser, one for a test file."""
    with running() as of:
        yield of


@pytest.fixture(scope="session")
def ml_100k(pytestconfig):
    """MovieLens 100K as RecBole files, from the package registry once, then from pytest's cache."""
    folder = Path(pytestconfig.cache.mkdir("ml-100k"))
    with FileLock(folder.with_suffix(".lock")):  # tests run side by side
        if not (folder / "complete").exists():
            for file in folder.iterdir():
                file.unlink()
            try:
                fetch_recbole(folder)
            except Unreachable as error:
                pytest.skip(str(error))
            (folder / "complete").touch()
    return folder


@pytest.fixture(scope="session")
def small_data(ml_100k, tmp_path_factory):
    """The first users of MovieLens 100K."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("ml-100k.item", "ml-100k.user"):
        shutil.copy(ml_100k / name, folder)
    header, *rows = (ml_100k / "ml-100k.inter").read_text().splitlines()
    kept = [row for row in rows if int(row.split("\t")[0]) <= N_USERS]
    (folder / "ml-100k.inter").write_text("\n".join([header, *kept]) + "\n")
    return folder


@pytest.fixture(scope="module")
def project(small_data, tmp_path_factory):
    """The project after a whole run, committed; `record` has what its stages opened and read."""
    record = tmp_path_factory.mktemp("record")
    recording = {"PYTHONPATH": str(ROOT / "tests/helpers/recording"), "MOVIEREC_RECORD": str(record)}
    project = Project(tmp_path_factory.mktemp("project"), small_data, **recording)
    assert sorted(stages_run(project.dvc("repro"))) == sorted(STAGES)
    project.commit("run")
    yield project
    for file in (project.folder / ".dvc/tmp/exps/celery").glob("*.json"):
        worker = json.loads(file.read_text())
        if worker["returncode"] is None:  # DVC's queue left it behind
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker["pid"], signal.SIGKILL)
