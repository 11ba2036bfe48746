"""Ranking for one user by index: what is left out, reasons, and what is known of a user."""

import numpy as np
import pytest
from small_recommender import ITEM_IDS, N_ITEMS, USER_IDS, movie_ids, small, write_small

from movierec.recommend.filters import Filters
from movierec.recommend.ranker import Asked, Ranker
from movierec.utils.errors import UserError


@pytest.fixture(scope="module", params=[False, True], ids=["long-term", "following time"])
def ranker(request):
    return small(request.param).recommender


def test_the_best_movies_come_first_and_none_that_was_seen(ranker):
    rated = ranker.catalogue.arrays["rated.indices"][ranker.catalogue.row("rated", 4)]
    movies = ranker.for_user(USER_IDS[4], Asked(N_ITEMS))
    assert sorted([*movies.items, *rated]) == list(range(N_ITEMS))
    assert (np.diff(movies.scores) <= 0).all() and movies.because is None
    assert ranker.for_user(USER_IDS[4], Asked(3)).items.tolist() == movies.items[:3].tolist()


def test_equal_scores_are_in_the_order_of_items(ranker):
    item = ranker.item_ids[7]
    arrays = ranker.arrays | {"h_item": np.ones_like(ranker.arrays["h_item"])}
    same = Ranker(arrays, ranker.catalogue.arrays).near(item, Asked(N_ITEMS))
    assert same.items.tolist() == [of for of in range(N_ITEMS) if of != 7]


def test_filters_and_variety(ranker):
    allowed = Filters(not_genres=("War",))
    movies = ranker.for_new([ITEM_IDS[2]], asked=Asked(N_ITEMS, allowed, diversity=0.5))
    genres = ranker.catalogue.genres
    assert sorted(movies.items) == [of for of in range(N_ITEMS) if of != 2 and "War" not in genres[of]]
    plain = ranker.for_new([ITEM_IDS[2]], asked=Asked(N_ITEMS, allowed))
    assert plain.items.tolist() != movies.items.tolist() and plain.items[0] == movies.items[0]


def test_reasons_are_liked_movies(ranker):
    likes = movie_ids(3, 8, 12)
    movies = ranker.for_new(likes, movie_ids(5), asked=Asked(4, because=True))
    assert len(movies.because) == 4 and {item for of in movies.because for item, _ in of} <= {3, 8, 12}
    assert ranker.for_new(gender="F", asked=Asked(2, because=True)).because == [[], []]


def test_a_like_of_a_large_weight_counts_most(ranker):
    likes = movie_ids(3, 8, 12)
    plain, equal, heavy = (
        ranker.for_new(likes, asked=Asked(N_ITEMS), weights=of) for of in (None, [1] * 3, [1, 1, 50])
    )
    alone = ranker.for_new(likes[2:], asked=Asked(N_ITEMS))
    assert equal.items.tolist() == plain.items.tolist() != heavy.items.tolist()
    same = [len(np.intersect1d(of.items[:8], alone.items[:8])) for of in (plain, heavy)]
    assert same[0] < same[1]
    with pytest.raises(UserError, match="3 likes have 1 weights; there must be one for each"):
        ranker.for_new(likes, weights=[1])


def test_what_is_watched_since_is_seen_and_changes_the_rest(ranker):
    since = movie_ids(*np.setdiff1d(np.arange(N_ITEMS), ranker.for_user(USER_IDS[4], Asked(3)).items)[:2])
    before, after = (
        ranker.for_user(USER_IDS[4], Asked(N_ITEMS)),
        ranker.for_user(USER_IDS[4], Asked(N_ITEMS), watched=since),
    )
    assert not set(ranker.items_of(since)) & set(after.items)
    assert before.scores[:5].tolist() != after.scores[:5].tolist()


def test_the_best_rated_movies_and_the_last_ones(ranker):
    best = ranker.best_rated(4, 3)
    assert (np.diff(best.stars) <= 0).all() and len(best.items) == 3 and best.scores is None
    assert ranker.n_rated(USER_IDS[4]) == len(ranker.best_rated(4, N_ITEMS).items)
    if ranker.follows_time:
        history = ranker.catalogue.arrays["known.items"][ranker.catalogue.row("known", 4)]
        assert ranker.last_items(4, 2).tolist() == history[::-1][:2].tolist()


@pytest.mark.parametrize("asked", [Asked(0), Asked(-1), Asked(diversity=1.1), Asked(diversity=-0.1)])
def test_numbers_out_of_range_are_errors(ranker, asked):
    with pytest.raises(UserError, match=r"but (it )?must be"):
        ranker.for_user(USER_IDS[0], asked)


def test_it_is_loaded_from_a_folder(tmp_path):
    write_small(tmp_path, small())
    loaded = Ranker.load(tmp_path)
    assert loaded.for_user(USER_IDS[3]).items.tolist() == small().recommender.for_user(USER_IDS[3]).items.tolist()
    with pytest.raises(UserError, match="missing"):
        Ranker.load(tmp_path / "none")
