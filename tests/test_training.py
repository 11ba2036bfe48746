"""The loss, its hand-written gradient, and training on data whose right answer is known."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.errors import UserError
from movierec.graph import Graph
from movierec.lightgcn import LightGCN, spectral_start
from movierec.ranking import DotScorer, evaluate, top_k
from movierec.training import Progress, Settings, fit, softmax_loss

SETTINGS = Settings(
    temperature=0.2, user_weight_power=0.25, lr=0.01, weight_decay=0.0, batch_size=16, epochs=10, patience=10, seed=1
)


def plain_loss(h_user, h_item, items, weight):
    """The same loss by torch's own log_softmax and autograd."""
    weights = torch.from_numpy(items.toarray()) * weight.unsqueeze(1)
    return -(torch.log_softmax(h_user @ h_item.T, dim=1) * weights).sum() / weights.sum()


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_loss_and_gradient_agree_with_autograd(random_interactions, chunk):
    generator = torch.Generator().manual_seed(0)
    dense = random_interactions(9, 7).toarray()
    dense[2] = 0  # a user without interactions
    items = sp.csr_matrix(dense)
    weight = torch.rand(9, generator=generator)
    grads = []
    for loss_of in (lambda u, i: softmax_loss(u, i, items, weight, chunk), lambda u, i: plain_loss(u, i, items, weight)):
        generator.manual_seed(0)
        h_user = (3 * torch.randn(9, 5, generator=generator)).requires_grad_()
        h_item = torch.randn(7, 5, generator=generator).requires_grad_()
        loss = loss_of(h_user, h_item)
        (2 * loss).backward()
        grads.append((loss.item(), h_user.grad, h_item.grad))
    assert grads[0][0] == pytest.approx(grads[1][0], rel=1e-5)
    for ours, theirs in zip(grads[0][1:], grads[1][1:]):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_large_scores_do_not_overflow():
    h_user, h_item = torch.tensor([[1000.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = softmax_loss(h_user, h_item, sp.csr_matrix(np.array([[1, 0]], np.float32)), torch.ones(1))
    assert loss.item() == pytest.approx(0)


def test_users_of_one_chunk_may_have_scores_of_different_size():
    """Each user's scores are moved by the greatest of their own: moved by another's, all of theirs would be lost."""
    items, weight = sp.csr_matrix(np.array([[1, 0], [0, 1], [1, 1]], np.float32)), torch.tensor([1.0, 2.0, 0.5])
    grads = []
    for loss_of in (softmax_loss, plain_loss):
        h_user, h_item = (torch.tensor(rows, requires_grad=True) for rows in ([[1000.0], [1.0], [-300.0]], [[1.0], [-1.0]]))
        loss = loss_of(h_user, h_item, items, weight)
        loss.backward()
        grads.append((loss.detach(), h_user.grad, h_item.grad))
    for ours, theirs in zip(*grads):
        torch.testing.assert_close(ours, theirs)


def checkerboard_model(train, graph_of, dim=8):
    return LightGCN(Graph(graph_of(train)), spectral_start(train, dim, 1), n_layers=2)


def test_the_checkerboard_is_solved(checkerboard, graph_of):
    train, missing = checkerboard
    model = checkerboard_model(train, graph_of)
    fitted = fit(model, train, missing, SETTINGS)
    with torch.no_grad():
        scorer = DotScorer(*model())
    assert evaluate(scorer, train, train, missing, [1])["recall@1"] == 1
    items, _ = top_k(scorer, np.arange(40), sp.csr_matrix(train.shape), 10)
    assert ((items + np.arange(40)[:, None]) % 2 == 0).all(), "everyone's first ten are of their own colour"
    assert fitted.history[-1].loss < fitted.history[0].loss


def test_training_repeats_to_the_bit_whatever_the_number_of_threads(random_interactions, graph_of):
    """On AMD's processors MKL keeps this for products whose sides are all 18 or more: sizes here are as in earnest."""
    train, missing = random_interactions(200, 150), random_interactions(200, 150, seed=1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (2, 2, 1):
            torch.set_num_threads(threads)
            model = checkerboard_model(train, graph_of, dim=32)
            fit(model, train, missing, SETTINGS._replace(batch_size=64))
            results.append(torch.cat([model.user_embedding, model.item_embedding]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_the_model_keeps_the_best_epoch(random_interactions, graph_of):
    train = random_interactions(30, 60, density=0.1)
    valid = random_interactions(30, 60, density=0.1, seed=1)
    valid = valid - valid.multiply(train)
    model = checkerboard_model(train, graph_of)
    fitted = fit(model, train, sp.csr_matrix(valid), SETTINGS._replace(lr=0.1))
    assert fitted.best.valid_ndcg == max(epoch.valid_ndcg for epoch in fitted.history) > fitted.history[-1].valid_ndcg
    measured = evaluate(DotScorer(*(h.detach() for h in model())), train, train, sp.csr_matrix(valid), [20])
    assert measured["ndcg@20"] == pytest.approx(fitted.best.valid_ndcg)
    assert measured["recall@20"] == pytest.approx(fitted.best.valid_recall)


def plain_training(model, train, settings):
    """The mean loss of each epoch, by torch's own autograd and Adam, with the step size written out."""
    degree = torch.from_numpy(np.diff(train.indptr)).float()
    users = np.flatnonzero(degree)
    steps = int(np.ceil(len(users) / settings.batch_size))
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=settings.weight_decay)
    rng = np.random.default_rng(settings.seed)
    done, means = 0, []
    for _ in range(settings.epochs):
        losses = []
        for batch in np.array_split(rng.permutation(users), steps):
            optimizer.param_groups[0]["lr"] = settings.lr * (1 + np.cos(np.pi * done / (settings.epochs * steps))) / 2
            h_user, h_item = model()
            loss = plain_loss(h_user[batch] / settings.temperature, h_item, train[batch], degree[batch] ** -settings.user_weight_power)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            done += 1
        means.append(np.mean(losses))
    return means


@pytest.mark.parametrize("batch_size", [7, 12, 100])  # of 24 users: four steps of six, two of twelve, one
def test_training_is_adam_along_half_a_cosine_over_batches_of_users_weighed_by_their_degree(random_interactions, graph_of, batch_size):
    dense = random_interactions(26, 15, density=0.3).toarray()
    dense[[4, 9]] = 0  # they have no interactions and are in no batch
    train, valid = sp.csr_matrix(dense), sp.csr_matrix(1 - dense)
    settings = Settings(
        temperature=0.3, user_weight_power=0.5, lr=0.05, weight_decay=0.01, batch_size=batch_size, epochs=4, patience=4, seed=3
    )
    assert (np.diff(train.indptr) > 0).sum() == 24 and len(set(np.diff(train.indptr))) > 4
    fitted = fit(checkerboard_model(train, graph_of), train, valid, settings)
    assert [epoch.epoch for epoch in fitted.history] == [1, 2, 3, 4]
    assert [epoch.loss for epoch in fitted.history] == pytest.approx(plain_training(checkerboard_model(train, graph_of), train, settings), rel=1e-4)


def test_patience_stops_and_every_epoch_has_a_row(checkerboard, graph_of):
    train, missing = checkerboard
    seen, began = [], time.perf_counter()
    fitted = fit(checkerboard_model(train, graph_of), train, missing, SETTINGS._replace(epochs=50, patience=2), report=seen.append)
    assert 0 < fitted.seconds <= time.perf_counter() - began
    assert fitted.history == seen
    assert len(seen) == fitted.best.epoch + 2 < 50


def test_validation_chooses_and_never_trains(checkerboard, graph_of, random_interactions):
    train, missing = checkerboard
    other = sp.csr_matrix(random_interactions(*train.shape, density=0.2, seed=5))
    losses = [[e.loss for e in fit(checkerboard_model(train, graph_of), train, v, SETTINGS).history] for v in (missing, other)]
    n = min(map(len, losses))
    assert losses[0][:n] == losses[1][:n]


def test_a_loss_that_is_no_number_stops_with_what_to_try(checkerboard, graph_of):
    train, missing = checkerboard
    model = checkerboard_model(train, graph_of)
    model.user_embedding.data[0, 0] = float("nan")
    with pytest.raises(UserError, match=r"the loss became nan in epoch 1; try a smaller lr \(it is 0.01\)"):
        fit(model, train, missing, SETTINGS)


def best_of(start, *epochs):
    """A `Progress` that has measured these users' NDCGs and losses, and the parameter that it gives back: its epoch's number."""
    model, measured = torch.nn.Linear(1, 1), [start, *(ndcg for ndcg, _ in epochs)]
    best = Progress(model, lambda: {"ndcg@20": np.array(measured.pop(0)), "recall@20": np.zeros(2)})
    for number, (_, loss) in enumerate(epochs, 1):
        torch.nn.init.constant_(model.weight, number)
        best.take([best.step(loss, "lr (it is 1)")])
    return best, model


def test_the_best_epochs_parameters_come_back():
    best, model = best_of([0.2, 0.2], ([0.3, 0.3], 5.0), ([0.5, 0.4], 4.0), ([0.4, 0.4], 3.0))
    best.restore("")
    assert model.weight.item() == best.best.epoch == 2 and best.best.valid_ndcg == 0.45


@pytest.mark.parametrize(
    "epochs",
    [
        [([0.1, 0.3], 5.0), ([0.1, 0.3], 6.0)],  # no clear loss of quality, but the loss rose
        [([0.1, 0.1], 5.0), ([0.11, 0.1], 4.0)],  # the loss fell, but everyone is served worse
    ],
)
def test_training_that_does_harm_stops_with_what_was_seen_and_what_to_try(epochs):
    best, model = best_of([0.3, 0.3], *epochs)
    loss, top = epochs[-1][1], max(np.mean(ndcg) for ndcg, _ in epochs)
    with pytest.raises(UserError) as error:
        best.restore("Try something else.")
    assert str(error.value) == (
        f"training made the model worse: validation NDCG@20 was 0.3000 at the start and {top:.4f} at best in 2 epochs, "
        f"while the loss went from 5 to {loss:g}. Try something else."
    )


def test_less_than_chance_gives_between_users_is_no_harm():
    best, model = best_of([0.3, 0.3], ([0.1, 0.4], 5.0), ([0.1, 0.48], 4.0))
    best.restore("")
    assert model.weight.item() == 2
