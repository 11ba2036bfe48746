"""The reasons for recommendations, against their formulas and against the scores that they explain."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from small_recommender import ITEM_IDS, USER_IDS, item_indices, small

from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.history import Histories, Profiles
from movierec.model.gaussian_process import fit_items, fit_users, kernel_matrix
from movierec.model.graph import Graph
from movierec.model.kernels import Nodes
from movierec.model.lightgcn import fold_in
from movierec.model.mixing import mixed_scorer
from movierec.model.model import Model
from movierec.recommend.reasons import (
    LEAST_SHARE,
    REASONS,
    RECENT,
    Explainer,
    reasons,
    reasons_by_contribution,
    reasons_by_leaving_out,
)

N_USERS, N_ITEMS = 30, 24
ALL = np.arange(N_ITEMS)
MIXES = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.4, 0.4)]
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def model_of(common_movie=False, layer_0=1.0):
    """An untrained model; `common_movie`: all users have movie 0; `layer_0`: the scale of the users' embeddings."""
    rng = np.random.default_rng(0)
    likes = rng.random((N_USERS, N_ITEMS)) < 0.5 * (np.add.outer(np.arange(N_USERS), ALL) % 3 == 0) + 0.03
    likes[:, 0] |= common_movie
    likes[:, 1] |= ~likes.any(axis=1)
    matrix = sp.csr_matrix((likes * rng.choice([0.75, 1.0, 1.25], likes.shape)).astype(np.float32))
    gender, genres = (rng.integers(0, 2, (n, 2)).astype(np.int8) for n in matrix.shape)
    graph = Graph(graph_arrays(matrix, gender, genres))
    embedding, messages, h_item = (
        torch.from_numpy(rng.normal(size=(n, 6)).astype(np.float32)) for n in (N_USERS, N_ITEMS, N_ITEMS)
    )
    embedding, h_item = embedding * layer_0, F.normalize(h_item)
    h_user = fold_in(embedding, messages, matrix)
    users, items = (
        fit(graph, h, 0.3, lambda scorer, rough=False: 0.0) for fit, h in ((fit_users, h_user), (fit_items, h_item))
    )
    return Model(graph, h_user, h_item, embedding, messages, users, items, MIXES[-1])


@pytest.fixture(scope="module")
def model():
    return model_of()


def trained(model):
    """The users of training."""
    return Profiles.without_order(model.graph.matrix)


def others():
    """A new user with likes alone, one with a dislike too, and a user of training with a new history."""
    rows, items = [0, 0, 1, 1, 1, 1, 2, 2, 2], [0, 6, 0, 3, 5, 8, 0, 7, 9]
    weights = np.array([1, 1, 1, 1, -0.25, 1, 1, -0.25, 1], np.float32)
    matrix = sp.csr_matrix((weights, (rows, items)), shape=(3, N_ITEMS))
    histories = Histories(np.array([0, 2, 5, 7]), np.array([0, 6, 0, 3, 8, 0, 9], np.int32), np.zeros(7, np.int64))
    return Profiles(matrix, histories, np.array([-1, -1, 4]), np.array([[0, 0], [1, 0], [0, 1]], np.int8))


def explained(model, profiles, is_trained, dense=False):
    """The contributions to all scores of all users, and the scores."""
    asked = np.tile(ALL, (len(profiles.users), 1))
    found = list(Explainer(model, dense).contributions(profiles, asked, is_trained))
    scores = mixed_scorer(model.components(None if is_trained else profiles), model.mix)(np.arange(len(asked)))
    return found, scores


class Split(NamedTuple):
    """The scores of one user, as a sum."""

    parts: np.ndarray  # (n, n_items), of each movie of the history
    rest: np.ndarray  # (n_items,), of none of them


def by_formulas(model, profiles, row, is_trained):
    """The split of the mixed scores, movie by movie and user by user, as the module describes it."""
    matrix, h_item = model.graph.matrix.toarray().astype(np.float64), model.h_item.double().numpy()
    profile = profiles.of(np.array([row]))
    history, user = profile.matrix.toarray()[0].astype(np.float64), profile.users[0]
    movies, degree = np.flatnonzero(history), (matrix > 0).sum(axis=0)

    sent = model.item_messages.double().numpy()[movies] * history[movies, None] / np.sqrt(np.abs(history).sum())
    layer_0 = model.user_embedding.double().numpy()[user] if user >= 0 else np.zeros(h_item.shape[1])
    length = np.linalg.norm(sent.sum(axis=0) + layer_0)
    by_graph = Split(sent @ h_item.T / length, layer_0 @ h_item.T / length)

    inverse, (target, _), kernel = model.users.inverse.double().numpy(), model.users.powers, model.users.kernel
    everyone = Nodes(model.graph.matrix, model.h_user, model.graph.user_gender)
    row_of_k = kernel_matrix(model.nodes(profile), everyone, model.graph.to_users, kernel)[0].double().numpy()
    messages = (-inverse[user] if is_trained else inverse @ row_of_k) * (matrix > 0).sum(axis=1) ** target
    by_users = Split(np.zeros((len(movies), N_ITEMS)), np.zeros(N_ITEMS))
    for other, message in zip(matrix, messages, strict=True):
        shared = (other * history * np.maximum(degree, 1.0) ** (2 * kernel.scale_power))[movies]
        if shared.sum() > 0:
            by_users.parts[:] += np.outer(shared / shared.sum(), message * other)
        else:
            by_users.rest[:] += message * other

    inverse, powers = model.items.inverse.double().numpy(), model.items.powers
    target, popularity = (np.maximum(degree, 1.0) ** power for power in powers)
    weights = -inverse / np.diag(inverse) * target[:, None] * popularity
    by_items = Split(weights[movies] * history[movies, None], np.zeros(N_ITEMS))

    parts, rest = 0, 0
    for share, of in zip(model.mix, (by_graph, by_users, by_items), strict=True):
        deviation = (of.parts.sum(axis=0) + of.rest).std()
        parts += share * (of.parts - of.parts.mean(axis=1, keepdims=True)) / deviation
        rest += share * (of.rest - of.rest.mean()) / deviation
    return movies, Split(parts, rest)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(("is_trained", "new"), [(True, False), (False, False), (False, True)])
def test_contributions_sum_to_a_score_without_a_rest(mix, is_trained, new):
    """Without layer 0, and where all users share a movie."""
    model = model_of(common_movie=True, layer_0=0.0)._replace(mix=mix)
    profiles = others() if new else trained(model)
    found, scores = explained(model, profiles, is_trained)
    for row, (movies, parts) in enumerate(found):
        assert movies.tolist() == profiles.matrix[row].indices.tolist()
        torch.testing.assert_close(parts.sum(dim=0), scores[row], **CLOSE)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(("is_trained", "new"), [(True, False), (False, False), (False, True)])
def test_contributions_and_the_rest_are_those_of_the_formulas(model, mix, is_trained, new, dense):
    model = model._replace(mix=mix)
    profiles = others() if new else trained(model)
    found, scores = explained(model, profiles, is_trained, dense)
    rests = 0
    for row, (movies, parts) in enumerate(found):
        expected_movies, (expected, rest) = by_formulas(model, profiles, row, is_trained)
        assert movies.tolist() == expected_movies.tolist()
        np.testing.assert_allclose(parts.numpy(), expected, **CLOSE)
        np.testing.assert_allclose(parts.sum(dim=0).numpy() + rest, scores[row].numpy(), **CLOSE)
        rests += np.abs(rest).max()
    assert (rests > 0.1) == any(mix[:2]), "layer 0, and users without a shared movie"


@pytest.mark.parametrize(("users", "items"), [(False, True), (True, False), (False, False)])
def test_a_model_without_a_gaussian_process_has_reasons_too(model, users, items):
    mix = (0.5, 0.5 * users, 0.5 * items)
    fewer = model._replace(users=model.users if users else None, items=model.items if items else None, mix=mix)
    (found, _), (expected, _) = (explained(of, trained(model), True) for of in (fewer, model._replace(mix=mix)))
    for (_, parts), (_, of_whole) in zip(found, expected, strict=True):
        torch.testing.assert_close(parts, of_whole)


def test_the_item_part_of_a_movie_is_the_loss_without_it(model):
    model = model._replace(mix=(0.0, 0.0, 1.0))
    profiles = trained(model).of(np.array([4]))
    [(_, parts)] = explained(model, profiles, True)[0]
    without = profiles.matrix.copy()
    without.data[2] = 0
    scores, lower = (
        model.components(profiles._replace(matrix=of))[2](np.array([0]))[0] for of in (profiles.matrix, without)
    )
    lost = scores - lower
    torch.testing.assert_close(parts[2] * scores.std(correction=0), lost - lost.mean(), atol=1e-5, rtol=1e-3)


def test_empty_places_are_left_out_and_items_keep_their_order(model):
    asked = np.array([[3, -1, 17], [-1, -1, -1], [17, 3, 5]])
    profiles = trained(model).of(np.arange(3))
    found = list(Explainer(model).contributions(profiles, asked, True))
    assert [parts.shape[1] for _, parts in found] == [2, 0, 3]
    for row, items in enumerate(([3, 17], [], [17, 3, 5])):
        expected = explained(model, trained(model), True)[0][row][1]
        torch.testing.assert_close(found[row][1], expected[:, items])


def test_chunks_of_users_change_nothing(model, monkeypatch):
    for profiles, is_trained in ((trained(model), True), (trained(model), False)):
        whole = explained(model, profiles, is_trained)[0]
        with monkeypatch.context() as patch:
            patch.setattr("movierec.recommend.reasons.CHUNK", 7)
            for one, other in zip(whole, explained(model, profiles, is_trained)[0], strict=True):
                assert one[0].tolist() == other[0].tolist()
                torch.testing.assert_close(one[1], other[1], **CLOSE)


@pytest.mark.parametrize("new", [False, True])
def test_reasons_are_the_liked_movies_that_contribute_most(model, new):
    profiles = others() if new else trained(model)
    for row in range(len(profiles.users)):
        one = profiles.of(np.array([row]))
        movies, (parts, _) = by_formulas(model, one, 0, not new)
        liked = one.matrix.data > 0
        movies, parts = movies[liked], parts[liked]
        for item, found in zip(ALL, reasons_by_contribution(model, one, ALL, not new), strict=True):
            best = [j for j in np.argsort(-parts[:, item])[:REASONS] if parts[j, item] > 0]
            assert [movie for movie, _ in found] == movies[best].tolist()
            shares = parts[best, item] / np.maximum(parts[:, item], 0).sum()
            assert [share for _, share in found] == pytest.approx(shares.tolist(), rel=1e-3)


def test_recommendations_come_with_the_reasons_of_the_model():
    recommender = small().recommender
    table = recommender.recommend(int(USER_IDS[3]), k=4, because=True)
    profile = Profiles.without_order(recommender.model.graph.matrix).of(np.array([3]))
    expected = reasons_by_contribution(recommender.model, profile, item_indices(table), True)
    found = [[(int(np.searchsorted(ITEM_IDS, movie)), share) for movie, share in of] for of in table["Because"]]
    assert [[movie for movie, _ in of] for of in found] == [[movie for movie, _ in of] for of in expected]
    assert all(1 <= len(of) <= 3 for of in found)


class LastTwo:
    """Item i + 1 scores 10 if i is the last movie, and 1 more if i is the one before it; all others score 1."""

    next = True

    @staticmethod
    def scorer(profiles):
        def score(users):
            out = torch.ones(len(users), 8)
            for row, user in enumerate(users):
                for weight, item in zip((9, 1), profiles.histories.of(np.array([user])).items[::-1], strict=False):
                    out[row, item + 1] += weight
            return out

        return score


def profile_of(history, n_items=8):
    """One user with a history."""
    table = pd.DataFrame({"user": 0, "item": history, "rating": np.float32(1), "timestamp": 0})
    return Profiles.from_interactions(1, n_items, [table], 0.0)


@pytest.mark.parametrize("explain", [reasons_by_leaving_out, lambda *args: reasons(*args, trained=True)])
def test_temporal_reasons_are_the_movies_without_which_the_score_is_lower(explain):
    # 4 follows 3, the last: 10 with it, 1 without. 6 follows 5, the one before. 0 follows nothing.
    found = explain(LastTwo, profile_of([1, 5, 3]), np.array([4, 6, 0]))
    assert found == [[(3, pytest.approx(0.9))], [(5, pytest.approx(0.5))], []]
    assert explain(LastTwo, profile_of([2]), np.array([3])) == [[(2, 1.0)]], "an only movie is the reason"


def test_reasons_by_leaving_out_are_the_losses_of_scoring_without_each_movie():
    of = small(temporal=True)
    model, profiles = of.stored.model, of.catalogue.profiles
    items = np.arange(40)
    for user in (0, 5, 17):
        one = profiles.of(np.array([user]))
        history, scores = one.histories.items, model.scorer(one)(np.array([0]))[0].numpy()
        lost = np.empty((len(history), 40))
        for place, movie in enumerate(history):
            matrix = one.matrix.toarray()
            matrix[0, movie] = 0
            kept, times = np.delete(history, place), one.histories.times[1:]
            without = Profiles(sp.csr_matrix(matrix), Histories(np.array([0, len(kept)]), kept, times), one.users)
            lost[place] = scores - model.scorer(without)(np.array([0]))[0].numpy()
        shares = (lost / np.abs(scores))[1:]  # the oldest movie stays
        assert len(shares) <= RECENT
        for item, found in zip(items, reasons_by_leaving_out(model, one, items), strict=True):
            best = np.argsort(-shares[:, item])[:REASONS]
            kept = [j for rank, j in enumerate(best) if shares[j, item] > (LEAST_SHARE if rank else 0)]
            assert [movie for movie, _ in found] == history[1:][kept].tolist()
            assert [share for _, share in found] == pytest.approx(shares[kept, item].tolist(), rel=1e-3, abs=1e-5)


def test_only_the_recent_movies_of_a_long_history_are_reasons():
    class Oldest:
        """A model that counts the first movie, and the 21st from the end."""

        @staticmethod
        def scorer(profiles):
            def score(users):
                histories = [profiles.histories.of(np.array([user])).items.tolist() for user in users]
                return torch.tensor([[1.0 + (0 in of), 1.0 + (10 in of), 1.0 + (11 in of)] for of in histories])

            return score

    found = reasons_by_leaving_out(Oldest, profile_of(np.arange(31), 31), np.arange(3))
    assert found == [[], [], [(11, pytest.approx(0.5))]]
