"""Several processes train the model that one trains; one of them may be killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from imports import ROOT
from stage_runner import SMALL, run_stage, run_until, set_up

from movierec.ranks import ALONE, Ranks
from movierec.storage import read_arrays

# Sampled, with negatives from all processes' users; and enough epochs for one to be killed in.
PARAMS = SMALL | {"epochs": 12, "patience": 12, "softmax": "sampled", "negatives": 256, "batch_size": 100, "checkpoint_epochs": 1}


def test_ranges_of_users_are_all_of_them_with_about_as_many_interactions_each():
    train = sp.csr_matrix(np.tril(np.ones((30, 30), np.float32)))  # user u has u + 1
    ranges = [Ranks(rank, 3).range_of(train) for rank in range(3)]
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:2])] and ranges[2][1] == 30
    shares = [train[begin:end].nnz / train.nnz for begin, end in ranges]
    assert max(shares) - min(shares) < 0.1
    assert [Ranks(rank, 4).range_of(train[:2]) for rank in range(4)][-1][1] == 2, "more processes than users: some have none"


def test_alone_everything_is_what_it_is():
    values = torch.ones(3, 2, requires_grad=True)
    assert ALONE.sum(values) is values and ALONE.leads and ALONE.total(2.5) == 2.5
    assert ALONE.range_of(sp.csr_matrix((4, 2))) == (0, 4) and ALONE.bytes_from_leader(b"x") == b"x"
    assert torch.equal(ALONE.rows(values), values)


@pytest.fixture(scope="module")
def project(small_data, tmp_path_factory):
    """A copy of the project, up to the graph, and what one process trains from there."""
    folder = set_up(tmp_path_factory.mktemp("ranks"), data_path=str(small_data), **PARAMS)
    for part in ("movierec", "stages"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        assert run_until(folder, patch, "build_graph") is None
        assert run_stage("train", folder, patch) is None
    return folder


@pytest.fixture(scope="module")
def whole(project):
    """What one process wrote that nobody killed."""
    return written(project)


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("models/model.npz", "models/history.csv", "data/rankings/model.npz")}


def result(folder: Path) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    return read_arrays(folder / "models/model.npz"), pd.read_csv(folder / "models/history.csv")


def train(folder: Path, processes: int = 1) -> subprocess.Popen:
    """Start the stage as `dvc repro` does, in so many processes."""
    set_up(folder, data_path="unused", **PARAMS, processes=processes)
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | ({"OMP_NUM_THREADS": "1"} if processes > 1 else {})
    return subprocess.Popen([sys.executable, "stages/train.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def workers(of: subprocess.Popen) -> list[int]:
    """The processes that torchrun has started for a stage."""
    def children(pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    return [worker for torchrun in children(of.pid) for worker in children(torchrun)]


def kill_once_it_has_kept(folder: Path, epochs: int, whom) -> None:
    """Kill a process as soon as the checkpoint of so many epochs is there."""
    kept, end = folder / "data/checkpoints/train/graph.npz", time.monotonic() + 60
    while time.monotonic() < end:
        if kept.exists() and len(read_arrays(kept)["history"]) >= epochs:
            return os.kill(whom(), signal.SIGKILL)
        time.sleep(0.005)
    raise AssertionError("no checkpoint came")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="whom to kill is looked up in /proc")
def test_two_processes_train_the_same_model_and_one_that_is_killed_changes_nothing(project, whole):
    one, history = result(project)
    done = train(project, processes=2)
    assert done.communicate(timeout=120)[0].count("epoch  12/12") == 1 and done.returncode == 0, "one of them speaks"
    two, history_of_two = result(project)
    for name in ("h_user", "h_item", "user_embedding", "item_messages"):
        np.testing.assert_allclose(two[name], one[name], atol=2e-4)
    assert history_of_two["valid_ndcg"].idxmax() == history["valid_ndcg"].idxmax(), "the same best epoch"
    np.testing.assert_allclose(history_of_two["loss"], history["loss"], rtol=1e-5)

    killed = train(project, processes=2)
    kill_once_it_has_kept(project, 3, lambda: workers(killed)[1])
    said = killed.communicate(timeout=120)[0]
    assert killed.returncode == 0 and "exitcode: -9" in said, said
    after, history_after = result(project)
    assert all(np.array_equal(two[name], after[name]) for name in two if name != "params") and history_of_two.equals(history_after)
    assert not [*project.glob("data/checkpoints/**/*.npz")], "what is done needs no checkpoint"


def test_a_run_that_is_killed_goes_on_where_it_was(project, whole):
    killed = train(project)
    kill_once_it_has_kept(project, 4, lambda: killed.pid)
    killed.wait()
    done = train(project)
    said = done.communicate(timeout=120)[0]
    assert done.returncode == 0 and "epoch   1/12" not in said and "epoch  12/12" in said, said
    assert written(project) == whole


def test_what_a_person_has_to_mend_is_said_once(project):
    set_up(project, data_path="unused", **PARAMS | {"lr": 10.0, "temperature": 0.01, "epochs": 2, "checkpoint_epochs": 0}, processes=2)
    done = subprocess.run([sys.executable, "stages/train.py"], cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("training made the model worse") + done.stderr.count("the loss became") == 1, done.stderr
    assert "Traceback" not in done.stderr
