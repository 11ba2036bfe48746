"""A killed training resumes from its last checkpoint, and ends with the same bytes."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from conftest import params_with

from movierec.interactions.histories import Histories
from movierec.model.checkpoints import Checkpoint, fingerprint
from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.next_movie import NextMovie
from movierec.model.next_training import NextMovieTraining
from movierec.model.progress import GAIN
from movierec.model.training import LightGCNTraining

NEXT = {"half_lives": [0.5, 4.0], "dim": 6, "hidden": 8, "temperature": 0.2}
NEXT |= {"lr": 0.01, "epochs": 6, "batch_steps": 80, "negatives": 12}
PARAMS = params_with(
    temperature=0.2, lr=0.05, weight_decay=0.001, batch_size=16, epochs=9, patience=4, negatives=20, next=NEXT
)


class Killed(Exception):
    """Ends a training."""


def killed_after(number):
    """A report that ends the training, before the checkpoint of that epoch."""

    def report(epoch):
        if epoch.epoch == number:
            raise Killed

    return report


@pytest.fixture
def parts(random_interactions):
    """Train and validation interactions."""
    train, valid = random_interactions(60, 40), random_interactions(60, 40, seed=1)
    return train, sp.csr_matrix(valid - valid.multiply(train))


@pytest.fixture
def train_graph(parts, graph_of):
    """A training of the graph model: its state at the end, and its epochs."""

    def run(checkpoint=None, report=lambda epoch: None, falls=False, **changes):
        train, valid = parts
        model = LightGCN(Graph(graph_of(train)), spectral_embeddings(train, 8, 1), 2)
        training = LightGCNTraining(model, train, valid, PARAMS.model_copy(update=changes), falls=falls)
        progress = training.run(report, checkpoint)
        return model.state_dict(), progress.epochs

    return run


def train_next(checkpoint=None, report=lambda epoch: None):
    """A training of the next-movie model: its state at the end, and its epochs."""
    rng = np.random.default_rng(0)
    lists = np.array([rng.permutation(30)[:12] for _ in range(40)], np.int32)
    histories = Histories(np.arange(0, 40 * 11 + 1, 11), lists[:, :11].ravel(), np.arange(40 * 11))
    valid = sp.csr_matrix((np.ones(40, np.float32), (np.arange(40), lists[:, 11])), shape=(40, 30))
    model = NextMovie(30, NEXT["half_lives"], dim=6, hidden=8, temperature=0.2).initialise_(histories, 1)
    progress = NextMovieTraining(model, histories, valid, PARAMS.next, seed=1).run(report, checkpoint)
    return model.state_dict(), progress.epochs


def assert_same(one, other):
    assert one[1] == other[1], "the loss and validation of each epoch"
    assert all(torch.equal(value, other[0][name]) for name, value in one[0].items())


# 1 and 4: before and after the best epoch; with a checkpoint every second epoch, one is repeated.
@pytest.mark.parametrize(("killed", "every"), [(1, 1), (4, 1), (5, 2), (1, 2)])
@pytest.mark.parametrize("softmax", ["exact", "sampled"])
def test_the_graph_model_ends_as_if_never_killed(train_graph, tmp_path, killed, every, softmax):
    def checkpoint():
        return Checkpoint(tmp_path / "c.npz", every, "this training")

    whole = train_graph(softmax=softmax)
    with pytest.raises(Killed):
        train_graph(checkpoint(), killed_after(killed), softmax=softmax)
    reported = []
    assert_same(train_graph(checkpoint(), reported.append, softmax=softmax), whole)
    assert reported == whole[1][(killed - 1) // every * every :], "the epochs after the last checkpoint"


def test_a_training_without_patience_left_stays_finished(train_graph, tmp_path):
    """Killed after the last epoch, before the model was stored: no epoch may follow."""
    checkpoint, limits = Checkpoint(tmp_path / "c.npz", 1), {"patience": 2, "epochs": 50}
    whole = train_graph(checkpoint, **limits)
    assert len(whole[1]) < 50
    assert_same(train_graph(checkpoint, killed_after(len(whole[1])), **limits), whole)


@pytest.mark.parametrize("after", [-1, 0, 1])
def test_a_training_whose_temperature_falls_ends_as_if_never_killed(train_graph, tmp_path, after):
    reported, options = [], {"falls": True, "patience": 1, "epochs": 30, "lr": 0.02, "temperature": 2.0}
    whole = train_graph(report=reported.append, **options)
    gains = [epoch.valid_ndcg for epoch in reported]
    fall = next(n for n in range(2, len(gains)) if gains[n - 1] <= max(gains[: n - 1]) * (1 + GAIN))
    assert len(reported) > fall + 1, "the fall gained"
    with pytest.raises(Killed):
        train_graph(Checkpoint(tmp_path / "c.npz", 1), killed_after(fall + after), **options)
    assert_same(train_graph(Checkpoint(tmp_path / "c.npz", 1), **options), whole)


@pytest.mark.parametrize("killed", [2, 5])
def test_the_next_movie_model_ends_as_if_never_killed(tmp_path, killed):
    whole, checkpoint = train_next(), Checkpoint(tmp_path / "c.npz", 1)
    with pytest.raises(Killed):
        train_next(checkpoint, killed_after(killed))
    assert_same(train_next(checkpoint), whole)


@pytest.mark.parametrize("broken", ["another training", "half a file", "no archive"])
def test_a_checkpoint_of_another_training_or_a_damaged_one_is_ignored(train_graph, tmp_path, broken):
    path, reported = tmp_path / "c.npz", []
    with pytest.raises(Killed):
        train_graph(Checkpoint(path, 1, "that training"), killed_after(3))
    if broken != "another training":
        path.write_bytes(path.read_bytes()[:900] if broken == "half a file" else b"nothing of the kind")
    now = "this training" if broken == "another training" else "that training"
    train_graph(Checkpoint(path, 1, now), reported.append)
    assert reported[0].epoch == 1


def test_without_an_interval_no_checkpoint_is_written(train_graph, tmp_path):
    train_graph(Checkpoint(tmp_path / "c.npz"))
    assert not list(tmp_path.iterdir())


def test_a_fingerprint_distinguishes_params_and_data(parts, graph_of):
    train, valid = parts
    other = train.copy()
    other.indices[:2] = other.indices[:2][::-1]
    weighted = train.copy()
    weighted.data[0] = 2

    def of(params=PARAMS, train=train, valid=valid, order=None, time=0):
        times = time + np.arange(train.nnz)
        histories = None if order is None else Histories(train.indptr, train.indices[order], times)
        return fingerprint(params, graph_of(train), valid, histories)

    in_order, in_another = np.arange(train.nnz), np.r_[1, 0, 2 : train.nnz]
    assert of() == of(PARAMS.model_copy(update={"checkpoint_epochs": 2})), "the interval changes nothing in the model"
    changed = [of(PARAMS.model_copy(update={"lr": 0.2})), of(train=other), of(train=weighted), of(valid=train)]
    changed += [of(order=in_order), of(order=in_another)]  # in time, which the matrices do not have
    changed += [of(order=in_order, time=5)]
    assert len({of(), *changed}) == 8
