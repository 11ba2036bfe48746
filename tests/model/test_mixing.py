"""Standardised scores, their weighted sums, and the choice of the weights."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.model.mixing import (
    MIXES,
    MIXES_OF_TWO,
    NEXT_SHARES,
    TREND_SHARES,
    choose_mix,
    choose_shares,
    mix_quality,
    mixed_scorer,
    most_even,
    standardised,
)
from movierec.ranking.topk import DotScorer, evaluate, evaluate_users

N_USERS, N_ITEMS = 40, 30


def table_scorer(seed, valid=None, noise=1.0):
    """A scorer of random scores, higher at the movies of `valid`."""
    scores = noise * torch.randn(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(seed))
    scores = scores if valid is None else scores + torch.from_numpy(valid.toarray())
    return lambda users: scores[users]


@pytest.fixture
def parts(random_interactions):
    """Train and validation interactions."""
    train, valid = random_interactions(N_USERS, N_ITEMS, 0.2), random_interactions(N_USERS, N_ITEMS, 0.1, seed=1)
    return train, sp.csr_matrix(valid - valid.multiply(train))


def never(users):
    raise AssertionError("a scorer without a weight is called")


def test_scores_are_standardised_per_user():
    scores = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    out = standardised(lambda users: scores[users])(np.arange(2))
    np.testing.assert_allclose(out[0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)
    assert out[1].tolist() == [0, 0, 0], "no division by zero"


def test_dot_products_are_standardised_like_any_scores():
    generator = torch.Generator().manual_seed(0)
    h_user, h_item = torch.randn(30, 8, generator=generator), torch.randn(50, 8, generator=generator) + 1
    h_user[3] = 0  # a user without a history: all scores are equal
    plain, users, tolerance = DotScorer(h_user, h_item), np.arange(30), {"rtol": 1e-4, "atol": 1e-5}
    expected = standardised(lambda users: plain(users))(users)
    torch.testing.assert_close(standardised(plain)(users), expected, **tolerance)
    few = DotScorer(h_user[:5], h_item)
    torch.testing.assert_close(standardised(few)(users[:5]), expected[:5], **tolerance)
    assert standardised(plain)(users[3:4]).tolist() == [[0.0] * 50]


def test_a_mix_is_the_weighted_sum_and_calls_no_scorer_without_a_weight():
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    first, third = (lambda users: scores[users]), (lambda users: -2 * scores[users] ** 2)
    expected = 0.25 * standardised(first)(np.arange(4)) + 0.75 * standardised(third)(np.arange(4))
    for second in (never, None):
        mixed = mixed_scorer((first, second, third), (0.25, 0.0, 0.75))
        torch.testing.assert_close(mixed(np.arange(4)), expected)


def test_the_quality_of_a_mix_is_its_evaluation(parts):
    train, valid = parts
    scorers = tuple(table_scorer(seed, valid) for seed in range(3))
    quality = mix_quality(scorers, MIXES, train, valid)
    assert set(quality) == set(MIXES)
    for mix, ndcg in quality.items():
        expected = evaluate_users(mixed_scorer(scorers, mix), train, train, valid, [20])["ndcg@20"]
        np.testing.assert_allclose(ndcg, expected)
    chosen = most_even(quality)
    assert choose_mix(scorers, train, valid) == (chosen, quality[chosen].mean())


def test_the_most_even_mix_within_a_standard_error_of_the_best_is_chosen():
    graph, items, two, even = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.7, 0.3, 0.0), (0.3, 0.3, 0.4)
    best = np.array([0.2, 0.4, 0.6, 0.8])
    within = best + np.array([-0.1, 0.1, -0.1, 0.0])  # worse by .025, with a standard error of .041
    beyond = best + np.array([-0.1, -0.1, 0.1, -0.1])  # by .05, of .043
    assert most_even({graph: best, two: within, even: beyond}) == two
    assert most_even({graph: best, even: within, two: within}) == even
    assert most_even({graph: within, items: best}) == items, "equally even"
    assert most_even({graph: best[:1], even: best[:1] - 0.01}) == graph, "of one user"


def test_without_a_component_the_others_get_the_mixes_of_two(parts):
    train, valid = parts
    scorers = (table_scorer(0, valid), None, table_scorer(1, valid))
    mix, ndcg = choose_mix(scorers, train, valid)
    candidates = [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), *(of for of in MIXES_OF_TWO if not of[1])]
    quality = mix_quality(scorers, MIXES + MIXES_OF_TWO, train, valid)
    assert set(quality) == set(candidates) and mix == most_even(quality) in MIXES_OF_TWO
    assert ndcg == quality[mix].mean()
    assert choose_mix((scorers[0], None, None), train, valid)[0] == (1.0, 0.0, 0.0)


def test_each_user_may_have_weights_of_their_own(parts):
    train, valid = parts
    scorers, users = (table_scorer(0, valid), table_scorer(1, valid)), np.array([3, 0, 2])
    of_users = np.random.default_rng(0).random((train.shape[0], 2)).astype(np.float32)
    scores = mixed_scorer(scorers, of_users)(users)
    for row, user in enumerate(users):
        expected = mixed_scorer(scorers, tuple(of_users[user].tolist()))(users)[row]
        torch.testing.assert_close(scores[row], expected)


@pytest.mark.parametrize("trend_noise", [0.3, 9.0])
def test_the_shares_are_the_best_of_all_candidates(parts, trend_noise):
    train, valid = parts
    scorers = (table_scorer(0, valid), table_scorer(1, valid), table_scorer(2), table_scorer(3, valid, trend_noise))
    weights, ndcg = choose_shares(scorers, train, valid)

    def quality(weights):
        return evaluate(mixed_scorer(scorers, weights), train, train, valid, [20])["ndcg@20"]

    assert sum(weights) == pytest.approx(1) and ndcg == pytest.approx(quality(weights))
    base = max(((1 - share, share, 0.0, 0.0) for share in NEXT_SHARES), key=quality)
    trends = [(0.0, 1.0), (1.0, 0.0)]
    mixes = [((1 - s) * base[0], (1 - s) * base[1], s * a, s * b) for s in TREND_SHARES for a, b in trends]
    assert ndcg == pytest.approx(max(map(quality, [base, *mixes])))
    assert (weights[3] > 0) == (trend_noise < 1) and weights[2] == 0, "the first trend is noise"
