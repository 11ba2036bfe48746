"""What one user watches next, in NumPy, against the models in torch."""

import numpy as np
import pytest
import torch
from small_recommender import N_ITEMS, N_USERS, small

from movierec.recommend.following import next_scores, trend_scores

WAITS = [None, (0, False), (30, False), (5 * 3600, False), (40 * 86400, False), (5 * 3600, True)]


@pytest.mark.parametrize("asked", WAITS)
def test_the_scores_are_those_of_the_models_at_every_moment(asked):
    of = small(temporal=True)
    model, arrays, histories = of.stored.model, of.model_arrays, of.catalogue.profiles.histories
    if asked is not None:
        histories = histories.asked_at(histories.last_times + asked[0], exactly=asked[1])
    everyone = np.arange(N_USERS)
    by_next, by_trend = (one.scorer(histories)(everyone) for one in (model.next, model.trend))
    for user in range(0, N_USERS, 7):
        one = histories.of(np.array([user]))
        # The scores are logarithms of probabilities, of which softmax has the rest.
        np.testing.assert_allclose(next_scores(arrays, one), by_next[user].numpy(), atol=1e-3, rtol=1e-3)
        assert trend_scores(arrays, one).tolist() == by_trend[user].tolist()


def test_a_user_without_a_history_has_scores_too():
    of = small(temporal=True)
    histories = of.catalogue.profiles.histories.of(np.array([3]))
    empty = histories._replace(indptr=np.zeros(2, np.int64), items=histories.items[:0], times=histories.times[:0])
    found = next_scores(of.model_arrays, empty)
    assert found.shape == (N_ITEMS,) and np.isfinite(found).all()
    with torch.no_grad():
        expected = of.stored.model.next.scorer(empty)(np.array([0]))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=1e-3)
