"""The training loop and the training of LightGCN, on data with a known answer and against plain Adam."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from conftest import params_with

from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.progress import MEASURED
from movierec.model.training import LightGCNTraining
from movierec.ranking.topk import DotScorer, evaluate, top_k
from movierec.utils.errors import UserError

PARAMS = params_with(temperature=0.2, lr=0.01, batch_size=16, epochs=10, patience=10)


@pytest.fixture
def network_of(graph_of):
    """A maker of untrained networks."""
    return lambda train, dim=8: LightGCN(Graph(graph_of(train)), spectral_embeddings(train, dim, 1), n_layers=2)


def run(network, train, valid, report=lambda epoch: None, **changes):
    """The progress of a training with these changes of the params."""
    return LightGCNTraining(network, train, valid, PARAMS.model_copy(update=changes)).run(report)


def scorer_of(network):
    with torch.no_grad():
        return DotScorer(*network())


def test_the_checkerboard_is_solved(checkerboard, network_of):
    train, missing = checkerboard
    network = network_of(train)
    progress = run(network, train, missing)
    assert evaluate(scorer_of(network), train, train, missing, [1])["recall@1"] == 1
    items, _ = top_k(scorer_of(network), np.arange(40), sp.csr_matrix(train.shape), 10)
    assert ((items + np.arange(40)[:, None]) % 2 == 0).all(), "the ten best items are all of the user's colour"
    assert progress.epochs[-1].loss < progress.epochs[0].loss


def test_training_repeats_to_the_bit_for_any_number_of_threads(random_interactions, network_of):
    """With AMD processors, MKL guarantees it only for products with all sides of 18 or more, as in practice."""
    train, missing = random_interactions(200, 150), random_interactions(200, 150, seed=1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (2, 2, 1):
            torch.set_num_threads(threads)
            network = network_of(train, dim=32)
            run(network, train, missing, batch_size=64)
            results.append(torch.cat(network.layer_0()))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_the_model_keeps_the_best_epoch(random_interactions, network_of):
    train, valid = random_interactions(30, 60, density=0.1), random_interactions(30, 60, density=0.1, seed=1)
    valid = sp.csr_matrix(valid - valid.multiply(train))
    network = network_of(train)
    progress = run(network, train, valid, lr=0.1)
    best, epochs = progress.best, progress.epochs
    assert best.valid_ndcg == max(epoch.valid_ndcg for epoch in epochs) > epochs[-1].valid_ndcg
    measured = evaluate(scorer_of(network), train, train, valid, [20])
    assert measured["ndcg@20"] == pytest.approx(best.valid_ndcg)
    assert measured["recall@20"] == pytest.approx(best.valid_recall)


def plain_loss(h_user, h_item, items, weight):
    """The softmax loss by torch's log_softmax."""
    weights = torch.from_numpy(items.toarray()) * weight.unsqueeze(1)
    return -(torch.log_softmax(h_user @ h_item.T, dim=1) * weights).sum() / weights.sum()


def plain_training(network, train, params):
    """The mean loss of each epoch by torch's autograd and Adam, and the average of the user embeddings."""
    degree = torch.from_numpy(np.diff(train.indptr)).float()
    users = np.flatnonzero(degree)
    steps = max(int(np.ceil(len(users) / params.batch_size)), 6)
    optimizer = torch.optim.Adam(network.parameters(), lr=params.lr, weight_decay=params.weight_decay)
    rng = np.random.default_rng(params.seed)
    means, passed = [], []
    for _ in range(params.epochs):
        losses = []
        for batch in np.array_split(rng.permutation(users), steps):
            h_user, h_item = network()
            weight = degree[batch] ** -params.user_weight_power
            loss = plain_loss(h_user[batch] / params.temperature, h_item, train[batch], weight)
            network.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            passed.append(network.user_embedding.detach().numpy().copy())
        means.append(np.mean(losses))
    share = np.ones(len(passed))  # of each step in the average, by its definition
    for t in range(1, len(passed) + 1):
        share[: t - 1] *= 1 - 10 / (t + 9)
        share[t - 1] = 10 / (t + 9)
    return means, np.tensordot(share, passed, axes=1)


@pytest.mark.parametrize("batch_size", [3, 12, 100])  # of 24 users: eight steps of three; six of four, twice
def test_training_is_adam_with_an_average_of_the_parameters(random_interactions, network_of, batch_size):
    """The batches are of users, each weighted by a power of the degree."""
    dense = random_interactions(26, 15, density=0.3).toarray()
    dense[[4, 9]] = 0  # users without interactions are in no batch
    train, valid = sp.csr_matrix(dense), sp.csr_matrix(1 - dense)
    changes = {"temperature": 0.3, "user_weight_power": 0.5, "lr": 0.05, "weight_decay": 0.01}
    changes |= {"batch_size": batch_size, "epochs": 4, "patience": 4, "seed": 3}
    assert (np.diff(train.indptr) > 0).sum() == 24 and len(set(np.diff(train.indptr))) > 4
    params = PARAMS.model_copy(update=changes)
    training = LightGCNTraining(network_of(train), train, valid, params)
    epochs = training.run().epochs
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    losses, average = plain_training(network_of(train), train, params)
    assert [epoch.loss for epoch in epochs] == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(training.average["user_embedding"], average, atol=1e-4)


def test_patience_ends_the_training_and_every_epoch_is_reported(checkerboard, network_of):
    train, missing = checkerboard
    seen = []
    progress = run(network_of(train), train, missing, seen.append, epochs=50, patience=2)
    assert progress.epochs == seen
    assert len(seen) == progress.best.epoch + 2 < 50


def test_the_temperature_falls_for_as_long_as_that_gains(checkerboard, network_of):
    train, missing = checkerboard
    training = LightGCNTraining(
        network_of(train), train, missing, PARAMS.model_copy(update={"epochs": 50, "patience": 2}), falls=True
    )
    ndcgs, seen, starts = [0.1, 0.2, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4, 0.35], [], []
    measured = iter(ndcgs)
    training.measure = lambda: dict.fromkeys(MEASURED, np.array([next(measured)]))
    steps, loss = training.n_steps, training.loss
    training.loss = lambda batch: starts.append(training.model.item_embedding.detach().clone()) or loss(batch)
    temperatures = []
    progress = training.run(lambda epoch: seen.append(epoch) or temperatures.append(training.temperature.value))
    assert [epoch.valid_ndcg for epoch in seen] == ndcgs[1:]
    assert temperatures == pytest.approx([0.2] * 4 + [0.15] * 3 + [0.1125])
    assert progress.epochs == seen[:7], "the last one is left out"
    assert training.temperature.value == pytest.approx(0.15) and progress.best.epoch == 5
    kept = progress.best_state["item_embedding"]
    assert torch.equal(starts[7 * steps], kept) and not torch.equal(starts[6 * steps], kept), "from the best epoch"


def test_a_chosen_temperature_does_not_fall(checkerboard, network_of):
    train, missing = checkerboard
    training = LightGCNTraining(
        network_of(train), train, missing, PARAMS.model_copy(update={"epochs": 50, "patience": 2})
    )
    training.run()
    assert training.temperature.value == 0.2


def test_validation_selects_and_never_trains(checkerboard, network_of, random_interactions):
    train, missing = checkerboard
    other = random_interactions(*train.shape, density=0.2, seed=5)
    losses = [[epoch.loss for epoch in run(network_of(train), train, valid).epochs] for valid in (missing, other)]
    n = min(map(len, losses))
    assert losses[0][:n] == losses[1][:n]


def test_a_loss_that_is_not_finite_names_the_params_to_change(checkerboard, network_of):
    network = network_of(checkerboard[0])
    network.user_embedding.data[0, 0] = float("nan")
    with pytest.raises(UserError, match=r"nan in epoch 1\. .*lr \(it is 0\.01\).*temperature .*\(it is 0\.2\)"):
        run(network, *checkerboard)


def test_harm_names_the_params_to_change(checkerboard, network_of):
    training = LightGCNTraining(network_of(checkerboard[0]), *checkerboard, PARAMS.model_copy(update={"epochs": 2}))
    falling = iter([0.5, 0.4, 0.3])
    training.measure = lambda: dict.fromkeys(MEASURED, np.full(9, next(falling)))
    with pytest.raises(UserError, match=r"worse: .*0\.5.*0\.4.*in 2 epochs.*lr \(it is 0\.01\).*decay \(it is 0\)"):
        training.run()
