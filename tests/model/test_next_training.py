"""The training of the next-movie model: its batches, its loss against the exact softmax, and a sequence to learn."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from conftest import params_with
from small_histories import N_ITEMS, histories_of, random_lists, small_network, with_times

from movierec.interactions.gaps import gap_class, last_situations, situations
from movierec.model.next_movie import NextMovie, norm
from movierec.model.next_training import (
    GAP_WEIGHT,
    LogSumExp,
    NextMovieTraining,
    batches_of_users,
    excluded,
    horizon_of,
    make_batch,
    step_loss,
    warm_up_and_cosine,
)
from movierec.model.sampling import inclusion_probabilities
from movierec.ranking.topk import evaluate
from movierec.utils.errors import UserError

PARAMS = params_with(next={"lr": 0.02, "epochs": 4, "batch_steps": 40, "negatives": 6}).next


@pytest.fixture
def network():
    return small_network()


@pytest.fixture
def cycle():
    """Each user walks around a circle of items: the histories, the next items, and the matrix of the histories."""
    lists = [[(start + k) % N_ITEMS for k in range(length)] for start in range(N_ITEMS) for length in (4, 6, 9)]
    valid = np.zeros((len(lists), N_ITEMS), np.float32)
    valid[np.arange(len(lists)), [(items[-1] + 1) % N_ITEMS for items in lists]] = 1
    seen = np.array([[item in items for item in range(N_ITEMS)] for items in lists], np.float32)
    return histories_of(lists), sp.csr_matrix(valid), sp.csr_matrix(seen)


def run(network, histories, valid, **changes):
    """The progress of a training with these changes of the params."""
    return NextMovieTraining(network, histories, valid, PARAMS.model_copy(update=changes), seed=1).run()


def test_the_gradient_of_the_log_sum_with_excluded_pairs():
    generator = torch.Generator().manual_seed(0)
    random = {"dtype": torch.float64, "generator": generator, "requires_grad": True}
    u, e, b = (torch.randn(*shape, **random) for shape in ((4, 3), (5, 3), (5,)))
    mask = torch.rand(4, 5, generator=generator) < 0.4
    mask[2] = True  # all are excluded
    expected = torch.logsumexp((u @ e.T + b).masked_fill(mask, -torch.inf), dim=1)
    some = ~mask.all(dim=1)
    torch.testing.assert_close(LogSumExp.apply(u, e, b, mask)[some], expected[some])
    assert torch.isneginf(LogSumExp.apply(u, e, b, mask)[2])
    assert torch.autograd.gradcheck(lambda *args: LogSumExp.apply(*args, mask)[some], (u, e, b))


def test_seen_movies_and_the_target_are_no_negatives():
    batch = make_batch(histories_of([[5, 2, 7], [1, 5]]), np.array([0, 1]), 1, np.random.default_rng(0))
    assert batch.items.tolist() == [[5, 1], [2, 5], [7, 0]]
    assert batch.step.tolist() == [0, 2, 1] and batch.target.tolist() == [2, 7, 5]
    # After 5: 5 is seen and 2 the target. After 5, 2: both are seen, and 7 is the target. After 1: 5 is the target.
    first, second, third = [True, True, False, False], [True, True, False, True], [False, True, False, False]
    assert excluded(batch, np.array([2, 5, 6, 7]), 9).tolist() == [first, second, third]


def test_a_step_knows_its_situation_and_the_gap_to_its_target():
    histories = with_times([(5, 0), (2, 0), (7, 40), (1, 9000)], [(1, 0), (5, 90)])
    batch = make_batch(histories, np.array([1, 0]), 1, np.random.default_rng(0))
    assert batch.target.tolist() == [5, 2, 7, 1] and batch.gap.tolist() == [3, 0, 2, 5]
    assert batch.situation.tolist() == situations(histories)[[4, 0, 1, 2]].tolist()
    far = make_batch(histories, np.array([0]), 3, np.random.default_rng(0))
    passed = [dict(zip([5, 2, 7, 1], [0, 0, 40, 9000], strict=True))[item] for item in far.target.tolist()]
    assert far.gap.tolist() == gap_class(np.array(passed) - [0, 0, 40]).tolist()


def test_each_movie_within_the_horizon_is_the_target_equally_often():
    histories, rng = histories_of([[0, 1, 2, 3, 4]]), np.random.default_rng(0)
    targets = np.array([make_batch(histories, np.array([0]), 2, rng).target.tolist() for _ in range(600)])
    for step, possible in enumerate(([1, 2], [2, 3], [3, 4], [4])):
        values, counts = np.unique(targets[:, step], return_counts=True)
        assert values.tolist() == possible and (abs(counts / 600 - 1 / len(possible)) < 0.07).all()


def test_of_a_long_history_training_takes_the_end(monkeypatch):
    monkeypatch.setattr("movierec.model.next_training.MAX_STEPS", 3)
    batch = make_batch(histories_of([[0, 1, 2, 3, 4]]), np.array([0]), 1, np.random.default_rng(0))
    assert batch.items.ravel().tolist() == [2, 3, 4] and batch.target.tolist() == [3, 4]


def test_the_horizon_is_the_mean_number_of_held_out_movies():
    valid = sp.csr_matrix(np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]], np.float32))
    seen = sp.csr_matrix(np.array([[1], [1], [0], [1]], np.float32))
    assert horizon_of(valid, seen) == 2, "2.5, rounded to even; the third user has no history"
    assert horizon_of(sp.csr_matrix((4, 3)), seen) == 1


def scores_of(network, items):
    """The scores after these items, if the next one is a minute later, and the log probability of that gap."""
    histories = histories_of([items])
    later = histories.asked_at(histories.last_times + 60, exactly=True)
    states = network.states(histories)
    x = network.inputs(states, torch.from_numpy(last_situations(histories)))
    return network.scores(states, later)[0], torch.log_softmax(network.when(norm(x)), dim=1)[0, 3]


def test_with_all_movies_as_negatives_the_loss_is_the_exact_softmax(network):
    """Of the target, given its gap, and of the gap."""
    lists = random_lists(6)
    batch = make_batch(histories_of(lists), np.arange(6), 1, np.random.default_rng(0))
    with torch.no_grad():
        ours, losses = step_loss(network, batch, np.arange(N_ITEMS), np.ones(N_ITEMS)), []
        for items in lists:
            for t in range(1, len(items)):
                scores, log_gap = scores_of(network, items[:t])
                allowed = [item for item in range(N_ITEMS) if item not in items[:t]]
                losses.append(torch.logsumexp(scores[allowed], dim=0) - scores[items[t]] - GAP_WEIGHT * log_gap)
    torch.testing.assert_close(ours, torch.stack(losses).mean(), atol=1e-4, rtol=1e-4)


def test_the_sampled_sum_is_unbiased(network):
    """The mean of exp(log sum) over many draws of the negatives is the whole sum."""
    batch = make_batch(histories_of([[3, 1]]), np.array([0]), 1, np.random.default_rng(0))
    probability = inclusion_probabilities(np.arange(1, N_ITEMS + 1), 6)
    rng, sums = np.random.default_rng(0), []
    with torch.no_grad():
        scores, log_gap = (of.double() for of in scores_of(network, [3]))
        allowed = [item for item in range(N_ITEMS) if item not in (3, 1)]
        for _ in range(2000):
            negatives = np.flatnonzero(rng.random(N_ITEMS) < probability)
            loss = step_loss(network, batch, negatives, probability[negatives]).double() + GAP_WEIGHT * log_gap
            sums.append(((loss + scores[1]).exp() - scores[1].exp()).item())
    assert np.mean(sums) == pytest.approx(scores[allowed].exp().sum().item(), rel=0.05)


def test_batches_hold_each_user_with_a_next_movie_once():
    lengths = np.array([5, 0, 1, 2, 30, 4, 4, 4, 9, 2])
    groups = list(batches_of_users(lengths, 12, np.random.default_rng(0)))
    assert sorted(np.concatenate(groups).tolist()) == [0, 3, 4, 5, 6, 7, 8, 9]
    assert all(len(group) * lengths[group].max() <= 16 or len(group) == 1 for group in groups)


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine():
    rates = [warm_up_and_cosine(40)(step) for step in range(40)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[4:] == pytest.approx([(1 + np.cos(np.pi * step / 36)) / 2 for step in range(36)])


def test_a_walk_around_a_circle_is_learned(cycle):
    histories, valid, seen = cycle
    network = NextMovie(N_ITEMS, [0.5, 4.0], dim=8, hidden=16, temperature=0.2).initialise_(histories, 1)
    epochs = run(network, histories, valid, epochs=12).epochs
    assert evaluate(network.scorer(histories), seen, seen, valid, [1])["hit_rate@1"] == 1
    assert [epoch.epoch for epoch in epochs] == list(range(1, 13)) and epochs[-1].loss < epochs[0].loss
    best = max(epoch.valid_ndcg for epoch in epochs)
    assert evaluate(network.scorer(histories), seen, seen, valid, [20])["ndcg@20"] == best, "the best epoch is kept"


def test_training_repeats_to_the_byte_for_any_number_of_threads():
    n_items, rng = 64, np.random.default_rng(0)
    lists = np.array([rng.permutation(n_items)[:40] for _ in range(60)])
    valid = sp.csr_matrix((np.ones(60, np.float32), (np.arange(60), lists[:, 39])), shape=(60, n_items))
    histories = histories_of(lists[:, :39])
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            network = NextMovie(n_items, [0.5, 4.0], dim=24, hidden=32, temperature=0.2).initialise_(histories, 1)
            run(network, histories, valid, negatives=32, batch_steps=400)
            results.append(network.state_dict())
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(value, other[name]) for name, value in results[0].items())


def test_without_a_user_with_two_movies_there_is_nothing_to_train(network):
    with pytest.raises(UserError, match=r"no user has two movies.*split_strategy"):
        run(network, histories_of([[1], [2]]), sp.csr_matrix(np.eye(2, N_ITEMS, dtype=np.float32)))


def test_a_loss_that_is_not_finite_names_the_params_to_change(cycle, network):
    with torch.no_grad():
        network.bias.fill_(torch.nan)
    with pytest.raises(UserError, match=r"nan in epoch 1\. .*next\.lr \(it is 0\.02\).*next\.temperature"):
        run(network, *cycle[:2])
