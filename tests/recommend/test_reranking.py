"""Lists by maximal marginal relevance, against a plain loop."""

import numpy as np
import pytest

from movierec.recommend.reranking import POOL, diversify

N_USERS, N_CANDIDATES, K = 6, 20, 4


@pytest.fixture
def candidates():
    """Candidates, their scores and the vectors of all items; the last users have few candidates, or none."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = np.stack([rng.permutation(30)[:N_CANDIDATES] for _ in range(N_USERS)])
    scores = -np.sort(-rng.random(items.shape).astype(np.float32), axis=1)
    for user, n in ((3, 8), (4, 2), (5, 0)):
        items[user, n:], scores[user, n:] = -1, -np.inf
    return items, scores, vectors


def by_a_loop(items, scores, vectors, diversity):
    """The chosen items of one user, and their scores."""
    pool = [(item, score) for item, score in zip(items, scores, strict=True) if item >= 0]
    low, high = (pool[-1][1], pool[0][1]) if pool else (0, 1)
    chosen = []
    while pool and len(chosen) < K:
        values = []
        for item, score in pool:
            nearest = max((float(vectors[item] @ vectors[other]) for other, _ in chosen), default=0)
            relevance = (score - low) / (high - low)
            values.append((1 - diversity) * relevance - diversity * nearest if chosen else relevance)
        chosen.append(pool.pop(int(np.argmax(values))))
    return chosen + [(-1, -np.inf)] * (K - len(chosen))


@pytest.mark.parametrize("diversity", [0.0, 0.4, 1.0])
def test_marginal_relevance_agrees_with_a_plain_loop(candidates, diversity):
    assert N_CANDIDATES == POOL * K
    items, scores, vectors = candidates
    found, found_scores = diversify(*candidates, diversity)
    for user in range(N_USERS):
        expected, expected_scores = zip(*by_a_loop(items[user], scores[user], vectors, diversity), strict=True)
        assert found[user].tolist() == list(expected)
        assert found_scores[user].tolist() == list(expected_scores)


def test_without_diversity_the_order_stays(candidates):
    items, scores, _ = candidates
    found = diversify(*candidates, 0.0)
    assert np.array_equal(found[0], items[:, :K])
    assert np.array_equal(found[1], scores[:, :K])


def test_chunks_of_users_change_nothing(candidates, monkeypatch):
    whole = diversify(*candidates, 0.4)
    monkeypatch.setattr("movierec.recommend.reranking.CHUNK", 4)
    for one, other in zip(whole, diversify(*candidates, 0.4), strict=True):
        assert np.array_equal(one, other)


def test_no_users_have_no_lists(candidates):
    items, scores, vectors = candidates
    assert [of.shape for of in diversify(items[:0], scores[:0], vectors, 0.4)] == [(0, K), (0, K)]
