"""Several processes train the model that one process trains, even if one of them is killed."""

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

from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN
from movierec.model.saving import unpack
from movierec.ranking.topk import rank_all_users
from movierec.utils.arrays import read_arrays
from movierec.utils.distributed import join
from movierec.utils.errors import UserError
from movierec.utils.group import Group, by_user

# Sampled, with negatives from the users of all processes; and enough epochs to kill a process during training.
PARAMS = SMALL | {"epochs": 12, "patience": 12, "softmax": "sampled", "negatives": 256, "batch_size": 100}
PARAMS |= {"checkpoint_epochs": 1}
WRITTEN = ("models/model.npz", "models/epochs.csv", "data/rankings/model.npz")


def test_a_process_holds_the_edges_and_embeddings_of_its_users(random_interactions, graph_of):
    train, initial = random_interactions(30, 20), (torch.randn(30, 4), torch.randn(20, 4))
    graph = Graph(graph_of(train), group=Group(1, 3))
    network = LightGCN(graph, initial, 1)
    begin, end = Group(1, 3).user_range(train)
    assert 0 < begin < end < 30 and (graph.matrix != train[begin:end]).nnz == 0
    assert torch.equal(network.user_embedding, initial[0][begin:end])
    assert torch.equal(network.item_embedding, initial[1])
    assert by_user(network) == ("user_embedding",) and by_user(torch.nn.Linear(1, 1)) == ()


def test_each_process_needs_its_own_gpu(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"2 processes .* 1 .*fewer"):
        join("cuda", 2)


@pytest.fixture(scope="module")
def project(small_data, tmp_path_factory):
    """A copy of the project that has run up to the graph, and a model that one process trained."""
    folder = set_up(tmp_path_factory.mktemp("distributed"), data_path=str(small_data), **PARAMS)
    for part in ("movierec", "stages"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        assert run_until(folder, patch, "build_graph") is None
        assert run_stage("train", folder, patch) is None
    return folder


@pytest.fixture(scope="module")
def whole(project):
    """The files of one process that was not killed."""
    return written(project)


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in WRITTEN}


def result(folder: Path) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    return read_arrays(folder / "models/model.npz"), pd.read_csv(folder / "models/epochs.csv")


def start(folder: Path, processes: int = 1, **changes) -> subprocess.Popen:
    """Start the train stage as `dvc repro` does."""
    set_up(folder, data_path="unused", **PARAMS | changes, processes=processes)
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | ({"OMP_NUM_THREADS": "1"} if processes > 1 else {})
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "stages/train.py"], cwd=folder, env=environment, **output)


def output_of(process: subprocess.Popen, code: int = 0) -> str:
    """The output of a process that exits with this code."""
    output = process.communicate(timeout=120)[0]
    assert process.returncode == code, output
    return output


def workers(process: subprocess.Popen) -> list[int]:
    """The processes that torchrun has started for a stage."""

    def children(pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    return [worker for torchrun in children(process.pid) for worker in children(torchrun)]


def kill_after_epoch(folder: Path, epoch: int, pid) -> None:
    """Kill the process of `pid()` as soon as the checkpoint of an epoch is there."""
    checkpoint, end = folder / "data/checkpoints/train/graph.npz", time.monotonic() + 60
    while time.monotonic() < end:
        if checkpoint.exists() and len(read_arrays(checkpoint)["log"]) >= epoch:
            return os.kill(pid(), signal.SIGKILL)
        time.sleep(0.005)
    raise AssertionError("no checkpoint came")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the process to kill is looked up in /proc")
def test_two_processes_train_the_same_model_even_if_one_is_killed(project, whole):
    one, epochs = result(project)
    assert output_of(start(project, processes=2)).count("epoch  12/12") == 1, "only one of them prints"
    two, epochs_of_two = result(project)
    for name in ("h_user", "h_item", "user_embedding", "item_messages"):
        np.testing.assert_allclose(two[name], one[name], atol=2e-4)
    assert epochs_of_two["valid_ndcg"].idxmax() == epochs["valid_ndcg"].idxmax(), "the same best epoch"
    np.testing.assert_allclose(epochs_of_two["loss"], epochs["loss"], rtol=1e-5)
    model = unpack(two, "model.npz").model
    seen = sp.csr_matrix(model.graph.matrix)
    (expected,) = rank_all_users(model.scorer(), seen)
    ranked = read_arrays(project / "data/rankings/model.npz")["model.after_train"]
    assert np.array_equal(ranked, expected), "both rank, as one process does"

    killed = start(project, processes=2)
    kill_after_epoch(project, 3, lambda: workers(killed)[1])
    assert "exitcode: -9" in output_of(killed)
    after, epochs_after = result(project)
    assert all(np.array_equal(two[name], after[name]) for name in two if name != "params")
    assert epochs_of_two.equals(epochs_after)
    assert not [*project.glob("data/checkpoints/**/*.npz")], "a finished training needs no checkpoint"


def test_a_killed_run_resumes_from_its_checkpoint(project, whole):
    killed = start(project)
    kill_after_epoch(project, 4, lambda: killed.pid)
    killed.wait()
    output = output_of(start(project))
    assert "epoch   1/12" not in output and "epoch  12/12" in output, output
    assert written(project) == whole


def test_an_error_for_the_user_is_reported_once(project):
    diverging = {"lr": 10.0, "temperature": 0.01, "epochs": 2, "checkpoint_epochs": 0}
    output = output_of(start(project, processes=2, **diverging), code=1)
    assert output.count("training made the model worse") + output.count("the loss became") == 1, output
    assert "Traceback" not in output
