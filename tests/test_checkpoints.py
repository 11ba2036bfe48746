"""A training that breaks off goes on from its last checkpoint, and ends with the same bytes."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.checkpoints import Checkpoint, fingerprint
from movierec.graph import Graph
from movierec.history import History
from movierec.lightgcn import LightGCN, spectral_start
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings, fit_next
from movierec.training import Settings, fit


class Killed(Exception):
    """What ends a training in these tests."""


def killed_after(epoch):
    def report(of):
        if of.epoch == epoch:
            raise Killed

    return report


@pytest.fixture
def parts(random_interactions):
    train = random_interactions(60, 40)
    valid = random_interactions(60, 40, seed=1)
    return train, sp.csr_matrix(valid - valid.multiply(train))


def train_graph(parts, graph_of, checkpoint, report=lambda epoch: None, **changed):
    train, valid = parts
    model = LightGCN(Graph(graph_of(train)), spectral_start(train, 8, 1), 2)
    settings = Settings(0.2, 0.25, 0.05, 0.001, 16, 9, 4, 1)._replace(**changed)
    fitted = fit(model, train, valid, settings, report, checkpoint)
    return model.state_dict(), fitted.history


def train_next(checkpoint, report=lambda epoch: None):
    rng = np.random.default_rng(0)
    lists = np.array([rng.permutation(30)[:12] for _ in range(40)], np.int32)
    past = History(np.arange(0, 40 * 11 + 1, 11), lists[:, :11].ravel())
    rows = np.arange(40)
    valid = sp.csr_matrix((np.ones(40, np.float32), (rows, lists[:, 11])), shape=(40, 30))
    seen = sp.csr_matrix((np.ones(440, np.float32), (np.repeat(rows, 11), past.items)), shape=(40, 30))
    network = NextMovie(30, [0.5, 4.0], dim=6, hidden=8, temperature=0.2).start_(past, 1)
    history = fit_next(network, past, valid, seen, NextSettings(0.01, 6, 80, 12, 1), report, checkpoint)
    return network.state_dict(), history


def assert_same(one, other):
    assert one[1] == other[1], "loss and validation of each epoch"
    assert all(torch.equal(value, other[0][name]) for name, value in one[0].items())


# 1 and 4: before and after the best epoch; with every second epoch kept, one is done again.
@pytest.mark.parametrize(("killed", "every"), [(1, 1), (4, 1), (5, 2), (1, 2)])
@pytest.mark.parametrize("softmax", ["exact", "sampled"])
def test_the_graph_part_ends_as_if_it_had_never_been_killed(parts, graph_of, tmp_path, killed, every, softmax):
    def at(path):
        return Checkpoint(path, every, "this training")

    given = {"softmax": softmax, "negatives": 20}
    whole = train_graph(parts, graph_of, Checkpoint(), **given)
    with pytest.raises(Killed):
        train_graph(parts, graph_of, at(tmp_path / "c.npz"), killed_after(killed), **given)
    epochs = []
    assert_same(train_graph(parts, graph_of, at(tmp_path / "c.npz"), lambda epoch: epochs.append(epoch.epoch), **given), whole)
    # What is reported is what is done: the epochs from the last one kept. (A kill in `report` comes before its own epoch is kept.)
    assert epochs[0] == (killed - 1) // every * every + 1 and epochs[-1] == len(whole[1])


def test_what_had_run_out_of_patience_stays_so(parts, graph_of, tmp_path):
    """Killed after the last epoch, before the model was stored: no further epoch may follow."""
    checkpoint = Checkpoint(tmp_path / "c.npz", 1, "")
    whole = train_graph(parts, graph_of, checkpoint, patience=1, epochs=50)
    assert len(whole[1]) < 50
    assert_same(train_graph(parts, graph_of, checkpoint, killed_after(len(whole[1])), patience=1, epochs=50), whole)


@pytest.mark.parametrize("killed", [2, 5])
def test_the_part_that_knows_what_comes_next_does_so_too(tmp_path, killed):
    whole, checkpoint = train_next(Checkpoint()), Checkpoint(tmp_path / "c.npz", 1, "")
    with pytest.raises(Killed):
        train_next(checkpoint, killed_after(killed))
    assert_same(train_next(checkpoint), whole)


@pytest.mark.parametrize("broken", ["another training", "half a file", "no archive"])
def test_a_file_of_another_training_or_a_broken_one_is_not_used(parts, graph_of, tmp_path, broken):
    path = tmp_path / "c.npz"
    with pytest.raises(Killed):
        train_graph(parts, graph_of, Checkpoint(path, 1, "that training"), killed_after(3))
    if broken != "another training":
        path.write_bytes(path.read_bytes()[:900] if broken == "half a file" else b"nothing of the kind")
    epochs = []
    train_graph(parts, graph_of, Checkpoint(path, 1, "this" if broken == "another training" else "that training"), lambda epoch: epochs.append(epoch.epoch))
    assert epochs[0] == 1


def test_a_fingerprint_knows_params_and_data_apart(parts, graph_of):
    train, valid = parts
    params = {"lr": 0.1, "checkpoint_epochs": 1}
    other = train.copy()
    other.indices[:2] = other.indices[:2][::-1]

    def of(params=params, train=train, valid=valid, order=None):
        past = None if order is None else History(train.indptr, train.indices[order])
        return fingerprint(SimpleNamespace(**params), graph_of(train), train, valid, past)

    in_order, in_another = np.arange(train.nnz), np.r_[1, 0, 2 : train.nnz]

    assert of() == of(params | {"checkpoint_epochs": 2}), "how often the state is kept changes nothing in what is trained"
    different = {of(), of(params | {"lr": 0.2}), of(train=other), of(valid=train), of(order=in_order), of(order=in_another)}
    assert len(different) == 6, "the order in time too, which the matrices do not tell"
