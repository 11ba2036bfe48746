"""The part that knows what comes next: its states three ways, causality, and its training."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from movierec.errors import UserError
from movierec.history import history
from movierec.next_movie import NextMovie, Walk, stored_next
from movierec.next_training import LogSum, NextSettings, batch_of, batches, fit_next, hidden, horizon_of, inclusion, step_loss
from movierec.ranking import evaluate

N_ITEMS = 12
SETTINGS = NextSettings(lr=0.02, epochs=4, batch_steps=40, negatives=6, seed=1)


def of_lists(lists):
    pairs = [(user, item) for user, items in enumerate(lists) for item in items]
    return history(len(lists), pd.DataFrame(pairs, columns=["user", "item"]).astype(int))


def random_histories(n_users=20, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.permutation(N_ITEMS)[: rng.integers(2, N_ITEMS)].tolist() for _ in range(n_users)]


@pytest.fixture
def network():
    return NextMovie(N_ITEMS, [0.5, 3.0], dim=4, hidden=8, temperature=0.2).start_(of_lists(random_histories()), seed=3)


@pytest.fixture
def cycle():
    """Each user walks around a circle of items from somewhere: train, and the item that comes next."""
    lists = [[(start + k) % N_ITEMS for k in range(length)] for start in range(N_ITEMS) for length in (4, 6, 9)]
    nexts = [(items[-1] + 1) % N_ITEMS for items in lists]
    rows = np.arange(len(lists))
    valid = sp.csr_matrix((np.ones(len(lists), np.float32), (rows, nexts)), shape=(len(lists), N_ITEMS))
    seen = sp.csr_matrix(np.array([[item in items for item in range(N_ITEMS)] for items in lists], np.float32))
    return of_lists(lists), valid, seen


def plain_state(network, items):
    """A state by its formula."""
    e, out = network.origin.detach().numpy().astype(float), []
    for b, half_life in enumerate(network.half_lives):
        part = e[:, b * network.dim : (b + 1) * network.dim]
        out.append(sum((2.0 ** (-age / half_life) * part[item] for age, item in enumerate(reversed(items))), np.zeros(network.dim)))
    return np.concatenate(out)


def test_messages_steps_and_the_formula_give_the_same_state(network):
    lists = [*random_histories(), []]
    by_messages = network.states(of_lists(lists)).detach()
    np.testing.assert_allclose(by_messages, [plain_state(network, items) for items in lists], atol=1e-5)
    for items, expected in zip(lists[:-1], by_messages):
        walked = network.walk(torch.tensor(items).unsqueeze(1))[-1, 0]
        torch.testing.assert_close(walked, expected, atol=1e-5, rtol=1e-5)


def test_one_more_movie_is_one_step_from_the_old_state(network):
    lists = random_histories()
    before = network.states(of_lists([items[:-1] for items in lists]))
    after = network.after(before, torch.tensor([items[-1] for items in lists]))
    again = network.states(of_lists(lists))
    torch.testing.assert_close(after, again, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.scores(after), network.scores(again), atol=1e-4, rtol=1e-4)


def test_the_scores_are_their_formula(network):
    z = network.states(of_lists(random_histories())).detach()
    scale = np.repeat([np.sqrt(1 - 4 ** (-1 / b)) for b in network.half_lives], network.dim)
    x = (z.numpy() * scale) @ network.mix.weight.detach().numpy().T + network.mix.bias.detach().numpy()
    norm = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    u = torch.from_numpy(x) + network.down(F.gelu(network.up(torch.from_numpy(norm).float())))
    expected = F.cosine_similarity(u.float().unsqueeze(1), network.end.unsqueeze(0), dim=2) / 0.2 + network.bias
    torch.testing.assert_close(network.scores(z), expected, atol=1e-4, rtol=1e-4)


def test_the_future_changes_nothing_not_a_byte(network):
    """Two histories that part ways: up to there, every state is the same."""
    items = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6]).unsqueeze(1)
    other = items.clone()
    other[5:] = torch.tensor([[8], [7], [11]])
    assert torch.equal(network.walk(items)[:5], network.walk(other)[:5])
    assert not torch.equal(network.walk(items)[5], network.walk(other)[5])
    lists = random_histories()
    scorer = network.scorer(of_lists(lists))
    elsewhere = network.scorer(of_lists([lists[0], *random_histories(len(lists) - 1, seed=9)]))
    assert torch.equal(scorer(np.array([0])), elsewhere(np.array([0]))), "nor do the others' histories"


def test_the_gradient_of_a_walk():
    x = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Walk.apply(x, torch.tensor([0.5, 0.9, 0.1], dtype=torch.float64)), x)


def test_the_gradient_of_the_log_sum_with_hidden_pairs():
    g = torch.Generator().manual_seed(0)
    u, e, b = (torch.randn(*shape, dtype=torch.float64, generator=g, requires_grad=True) for shape in ((4, 3), (5, 3), (5,)))
    mask = torch.rand(4, 5, generator=g) < 0.4
    mask[2] = True  # all hidden
    expected = torch.logsumexp((u @ e.T + b).masked_fill(mask, -torch.inf), dim=1)
    shown = ~mask.all(dim=1)
    torch.testing.assert_close(LogSum.apply(u, e, b, mask)[shown], expected[shown])
    assert torch.isneginf(LogSum.apply(u, e, b, mask)[2])
    assert torch.autograd.gradcheck(lambda *a: LogSum.apply(*a, mask)[shown], (u, e, b))


def test_stored_and_read_again_it_scores_the_same(network):
    again = stored_next(network.arrays())
    z = network.states(of_lists(random_histories()))
    assert torch.equal(again.scores(z), network.scores(z)) and again.half_lives == network.half_lives


def test_inclusion_adds_up_and_the_popular_are_always_in():
    probability = inclusion(np.array([0, 1, 4, 100, 10000]), 3)
    assert probability.sum() == pytest.approx(3) and probability.max() == 1
    assert probability[3] == probability[4] == 1 and probability[2] == pytest.approx(2 * probability[1])
    assert inclusion(np.ones(4), 9).tolist() == [1, 1, 1, 1], "more than all is all"
    assert inclusion(np.ones(4), 1).tolist() == [0.25] * 4


def test_what_is_seen_and_the_target_are_no_negatives():
    batch = batch_of(of_lists([[5, 2, 7], [1, 5]]), np.array([0, 1]), 1, np.random.default_rng(0))
    assert batch.items.tolist() == [[5, 1], [2, 5], [7, 0]]
    assert batch.step.tolist() == [0, 2, 1] and batch.target.tolist() == [2, 7, 5]
    # After 5: 5 is seen and 2 the target. After 5, 2: both, and 7. After 1: 5 is the target.
    assert hidden(batch, np.array([2, 5, 6, 7]), 9).tolist() == [[True, True, False, False], [True, True, False, True], [False, True, False, False]]


def test_within_the_horizon_each_of_the_next_movies_is_the_target_as_often():
    past, rng = of_lists([[0, 1, 2, 3, 4]]), np.random.default_rng(0)
    targets = np.array([batch_of(past, np.array([0]), 2, rng).target.tolist() for _ in range(600)])
    for step, possible in enumerate(([1, 2], [2, 3], [3, 4], [4])):
        values, counts = np.unique(targets[:, step], return_counts=True)
        assert values.tolist() == possible and (abs(counts / 600 - 1 / len(possible)) < 0.07).all()


def test_the_horizon_is_what_validation_looks_for():
    valid = sp.csr_matrix(np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]], np.float32))
    history_of = sp.csr_matrix(np.array([[1], [1], [0], [1]], np.float32))
    assert horizon_of(valid, history_of) == 2, "2.5, rounded to even; the third user has no history"
    assert horizon_of(sp.csr_matrix((4, 3)), history_of) == 1


def test_with_all_movies_as_negatives_the_loss_is_the_exact_softmax(network):
    lists = random_histories(6)
    batch = batch_of(of_lists(lists), np.arange(6), 1, np.random.default_rng(0))
    ours = step_loss(network, batch, np.arange(N_ITEMS), np.ones(N_ITEMS))
    losses = []
    for items in lists:
        for t in range(1, len(items)):
            scores = network.scores(network.states(of_lists([items[:t]])))[0]
            allowed = [item for item in range(N_ITEMS) if item not in items[:t]]
            losses.append(torch.logsumexp(scores[allowed], dim=0) - scores[items[t]])
    torch.testing.assert_close(ours, torch.stack(losses).mean(), atol=1e-4, rtol=1e-4)


def test_the_sampled_sum_has_the_right_expectation(network):
    """Over all draws of the negatives: the mean of exp(log sum) is the whole sum."""
    batch = batch_of(of_lists([[3, 1]]), np.array([0]), 1, np.random.default_rng(0))
    probability, rng, sums = inclusion(np.arange(1, N_ITEMS + 1), 6), np.random.default_rng(0), []
    scores = network.scores(network.states(of_lists([[3]])))[0].detach().double()
    allowed = [item for item in range(N_ITEMS) if item not in (3, 1)]
    with torch.no_grad():
        for _ in range(2000):
            negatives = np.flatnonzero(rng.random(N_ITEMS) < probability)
            loss = step_loss(network, batch, negatives, probability[negatives]).double()
            sums.append(((loss + scores[1]).exp() - scores[1].exp()).item())
    assert np.mean(sums) == pytest.approx(scores[allowed].exp().sum().item(), rel=0.05)


def test_batches_hold_every_user_who_has_a_next_movie_once():
    lengths = np.array([5, 0, 1, 2, 30, 4, 4, 4, 9, 2])
    groups = list(batches(lengths, 12, np.random.default_rng(0)))
    assert sorted(np.concatenate(groups).tolist()) == [0, 3, 4, 5, 6, 7, 8, 9]
    assert all(len(group) * lengths[group].max() <= 16 or len(group) == 1 for group in groups)


def test_walking_around_a_circle_is_learned(cycle):
    past, valid, seen = cycle
    network = NextMovie(N_ITEMS, [0.5, 4.0], dim=8, hidden=16, temperature=0.2).start_(past, 1)
    epochs = fit_next(network, past, valid, seen, SETTINGS._replace(epochs=12))
    assert evaluate(network.scorer(past), seen, seen, valid, [1])["hit_rate@1"] == 1
    assert [epoch.epoch for epoch in epochs] == list(range(1, 13)) and epochs[-1].loss < epochs[0].loss
    best = max(epoch.valid_ndcg for epoch in epochs)
    assert evaluate(network.scorer(past), seen, seen, valid, [20])["ndcg@20"] == best, "the best epoch is kept"


def test_training_repeats_to_the_byte_for_any_number_of_threads():
    """On AMD's processors MKL keeps this for products whose sides are all 18 or more: sizes here are as in earnest."""
    n_items, rng = 64, np.random.default_rng(0)
    lists = [rng.permutation(n_items)[:40].tolist() for _ in range(60)]
    seen, valid = (sp.csr_matrix((np.ones(60 * len(at), np.float32), (np.repeat(np.arange(60), len(at)), np.take(lists, at, axis=1).ravel())), shape=(60, n_items)) for at in (range(39), [39]))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            past = of_lists([items[:39] for items in lists])
            network = NextMovie(n_items, [0.5, 4.0], dim=24, hidden=32, temperature=0.2).start_(past, 1)
            fit_next(network, past, valid, seen, SETTINGS._replace(negatives=32, batch_steps=400))
            results.append(network.state_dict())
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(value, other[name]) for name, value in results[0].items())


def test_nobody_with_two_movies_is_an_error(network):
    past = of_lists([[1], [2]])
    matrix = sp.csr_matrix(np.eye(2, N_ITEMS, dtype=np.float32))
    with pytest.raises(UserError, match="no user has two movies in train, so that nothing says what comes next"):
        fit_next(network, past, matrix, matrix, SETTINGS)


def test_a_loss_that_is_no_number_names_the_way_out(cycle, network):
    with torch.no_grad():
        network.bias.fill_(torch.nan)
    with pytest.raises(UserError, match=r"became nan in epoch 1; try a smaller next_lr \(it is 0.02\)"):
        fit_next(network, *cycle, SETTINGS)
