"""The scores of one user in NumPy, against those of the model in torch, which scores many at once."""

import numpy as np
import pytest
import scipy.sparse as sp
from small_model import fit_small
from small_recommender import PARAMS, one_of, small

from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.histories import Histories
from movierec.interactions.profiles import Profiles
from movierec.model.saving import pack
from movierec.recommend.following import unit
from movierec.recommend.ranker import DISLIKE
from movierec.recommend.scores import Profile, Scores, deviation

CLOSE = {"atol": 2e-4, "rtol": 1e-3}
KINDS = ["dense", "local", "none"]
MIX = (0.2, 0.4, 0.4)


def new_users(n_items):
    """Users with likes alone, and with dislikes too."""
    matrix = np.zeros((3, n_items), np.float32)
    lists = [[3], [7, 2, 11], [5, 1, 4, 8]]
    for row, liked in enumerate(lists):
        matrix[row, liked] = 1
    matrix[1, [6, 9]] = DISLIKE
    indptr = np.cumsum([0, *map(len, lists)])
    histories = Histories(indptr, np.concatenate(lists).astype(np.int32), np.full(indptr[-1], 10**9))
    return Profiles(sp.csr_matrix(matrix), histories, np.full(3, -1), np.array([[0, 0], [1, 0], [0, 1]], np.int8))


@pytest.fixture(params=KINDS)
def kinds(request, checkerboard):
    """A model whose Gaussian processes are of a kind, and its scores of one user."""
    train, valid = checkerboard
    kind = request.param
    changes = {"user_process": kind, "item_process": kind, "gender_weight": 0.3}
    mix = MIX if kind != "none" else (1.0, 0.0, 0.0)
    model = fit_small(train, valid, **changes).model._replace(mix=mix)
    arrays = graph_arrays(train, model.graph.user_gender, model.graph.item_genres)
    return model, Scores(pack(model, arrays, np.arange(train.shape[0]), np.arange(train.shape[1]), params={}))


def test_the_scores_of_users_of_training(kinds):
    model, scores = kinds
    profiles = Profiles.without_order(model.graph.matrix)
    expected = model.scorer()(np.arange(len(profiles.users))).numpy()
    for user in range(0, len(profiles.users), 7):
        np.testing.assert_allclose(scores.scores(one_of(profiles, user), trained=True), expected[user], **CLOSE)


@pytest.mark.parametrize("neighbors", [200, 6])
def test_the_scores_of_users_with_any_history(kinds, neighbors, monkeypatch):
    for module in ("model.nearest_neighbors", "recommend.scores"):
        monkeypatch.setattr(f"movierec.{module}.NEIGHBORS", neighbors)
    model, scores = kinds
    known = Profiles.without_order(model.graph.matrix).of(np.array([3, 12]))
    for profiles in (new_users(model.graph.n_items), known):
        expected = model.scorer(profiles)(np.arange(len(profiles.users))).numpy()
        for row in range(len(profiles.users)):
            found = scores.scores(one_of(profiles, row), trained=False)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected[row], **CLOSE)


@pytest.mark.parametrize("wait", [0, 10, 4000, 10**6])
def test_the_scores_of_a_model_that_follows_time(wait):
    of = small(temporal=True)
    scores, model, everyone = of.recommender.by_user, of.stored.model, of.catalogue.profiles
    for profiles in (everyone, new_users(len(of.stored.item_ids))):
        last = profiles.histories.last_times
        profiles = profiles._replace(histories=profiles.histories.asked_at(last + wait))
        expected = model.scorer(profiles)(np.arange(len(last))).numpy()
        for row in range(0, len(last), 1 if len(last) < 5 else 9):
            np.testing.assert_allclose(scores.scores(one_of(profiles, row), trained=False), expected[row], **CLOSE)


def test_whole_matrices_in_memory_change_nothing(kinds):
    model, scores = kinds
    profiles = [one_of(new_users(model.graph.n_items), 1), one_of(Profiles.without_order(model.graph.matrix), 9)]
    before = [scores.scores(profile, trained) for profile in profiles for trained in (False, profile.user >= 0)]
    scores.prepare()
    after = [scores.scores(profile, trained) for profile in profiles for trained in (False, profile.user >= 0)]
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_a_part_without_a_share_is_not_computed():
    of = small()
    for number, mix in enumerate(np.eye(3)):
        model = of.stored.model._replace(mix=tuple(mix))
        arrays = pack(model, of.arrays, *of.stored[1:3], params=PARAMS.model_dump())
        scores, profile = Scores(arrays), one_of(Profiles.without_order(model.graph.matrix), 5)
        parts = scores.parts(profile, trained=True)
        assert [part is not None for part in parts[:3]] == [number == 0, number == 1, number == 2]
        np.testing.assert_allclose(scores.scores(profile, True), model.scorer()(np.array([5]))[0].numpy(), **CLOSE)


def test_a_profile_without_one_of_its_movies_keeps_the_last_time():
    histories = Histories(np.array([0, 3]), np.array([7, 2, 5], np.int32), np.array([10, 20, 30]))
    profile = Profile(np.array([7, 2, 5, 9]), np.array([1, 2, 3, DISLIKE], np.float32), histories.asked_at(50))
    for place, (items, weight) in enumerate(
        (([2, 5, 9], [2, 3, -0.25]), ([7, 5, 9], [1, 3, -0.25]), ([7, 2, 9], [1, 2, -0.25]))
    ):
        fewer = profile.without(place)
        assert fewer.items.tolist() == items and fewer.weight.tolist() == weight
        assert fewer.histories.items.tolist() == items[:2] and fewer.histories.times.tolist() == [20, 30]
        assert fewer.histories.indptr.tolist() == [0, 2] and fewer.histories.waits.tolist() == [20]


def test_unit_vectors_and_deviations_of_nothing():
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]
    assert deviation(np.ones(3)) > 0 and deviation(np.array([1.0, 3.0])) == 1
