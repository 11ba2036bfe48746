"""Ranking for many users at once, against ranking for each."""

import numpy as np
import pytest
from small_recommender import N_USERS, USER_IDS, small

from movierec.recommend.everyone import ranked
from movierec.recommend.filters import Filters
from movierec.recommend.ranker import Asked
from movierec.utils.errors import UserError
from movierec.utils.group import ALONE


@pytest.mark.parametrize("temporal", [False, True])
@pytest.mark.parametrize("asked", [Asked(5), Asked(3, Filters(("War",)), 0.4), Asked(40)])
def test_many_users_get_what_each_gets_alone(temporal, asked):
    of = small(temporal)
    users = np.array([31, 2, 17])
    ranker = of.recommender
    scorer = of.stored.model.scorer(ranker.profiles if temporal else None)
    items, scores = ranked(ranker, scorer, ranker.rated, users, asked=asked, group=ALONE)
    for row, user in enumerate(users):
        alone = ranker.for_user(USER_IDS[user], asked)
        assert items[row][items[row] >= 0].tolist() == alone.items.tolist()
        np.testing.assert_allclose(scores[row][items[row] >= 0], alone.scores, atol=1e-4, rtol=1e-3)
        assert (scores[row][items[row] < 0] == -np.inf).all()


def test_what_is_asked_for_is_checked():
    of = small().recommender
    with pytest.raises(UserError, match="0 recommendations are asked for"):
        ranked(of, of.model.scorer(), of.rated, np.arange(N_USERS), asked=Asked(0), group=ALONE)
