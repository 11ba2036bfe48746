"""The whole model: its scores, its components on any history, and causality."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from small_model import fit_in_time, fit_small

from movierec.interactions.gaps import BREAK
from movierec.interactions.histories import Histories
from movierec.interactions.profiles import Profiles
from movierec.model.lightgcn import fold_in
from movierec.model.mixing import mixed_scorer
from movierec.ranking.topk import evaluate

EVERYONE = np.arange(40)
SHARES = ((0.4, 0.4, 0.2), (0.1, 0.3, 0.6))  # within a session, and after a break


@pytest.fixture
def in_time(checkerboard):
    """A model of a split by time with all components, and its profiles."""
    model = fit_in_time(*checkerboard).model
    return model._replace(mix=(0.2, 0.4, 0.4), shares=SHARES), Profiles.without_order(checkerboard[0])


@pytest.mark.parametrize("fitted", [fit_small, fit_in_time])
def test_the_checkerboard_is_solved(checkerboard, fitted):
    train, missing = checkerboard
    scorer = fitted(train, missing).model.scorer(Profiles.without_order(train))
    assert evaluate(scorer, train, train, missing, [1])["recall@1"] == 1


def test_each_component_ranks_a_training_history_as_it_ranks_the_user(random_interactions):
    train, valid = random_interactions(40, 30, 0.2), random_interactions(40, 30, 0.1, seed=1)
    valid = sp.csr_matrix(valid - valid.multiply(train))
    model = fit_small(train, valid, gender_weight=0.3).model
    for of_history, of_user in zip(model.components(Profiles.without_order(train)), model.components()):
        measured = [evaluate(scorer, train, train, valid, [5, 20]) for scorer in (of_history, of_user)]
        assert measured[0] == pytest.approx(measured[1], abs=1e-3)


def test_the_scores_are_the_mix_of_all_components(in_time):
    model, profiles = in_time
    long_term = mixed_scorer(model.components(profiles), model.mix)
    for asked, shares in zip((profiles.histories, profiles.histories.asked_at(BREAK)), SHARES, strict=True):
        parts = (long_term, model.next.scorer(asked), model.trend.scorer(asked))
        scores = model.scorer(profiles._replace(histories=asked))(EVERYONE)
        torch.testing.assert_close(scores, mixed_scorer(parts, shares)(EVERYONE))
    not_in_time = model._replace(next=None, trend=None)
    torch.testing.assert_close(not_in_time.scorer(profiles)(EVERYONE), long_term(EVERYONE))
    alone = model._replace(mix=(1.0, 0.0, 0.0), users=None, items=None, shares=((1.0, 0.0, 0.0),) * 2)
    cosines = model.h_user @ model.h_item.T
    standard = (cosines - cosines.mean(dim=1, keepdim=True)) / cosines.std(dim=1, keepdim=True, correction=0)
    torch.testing.assert_close(alone.scorer(profiles)(EVERYONE), standard, atol=1e-3, rtol=1e-3)


def test_a_new_user_has_a_vector_of_the_history_alone(in_time):
    model, profiles = in_time
    gender = np.eye(2, dtype=np.int8)
    new = model.nodes(Profiles.without_order(profiles.matrix[:2], np.array([-1, 1]), gender))
    zeros = model.user_embedding[:2].clone()
    zeros[0] = 0
    torch.testing.assert_close(new.h, fold_in(zeros, model.item_messages, profiles.matrix[:2]))
    assert new.features is gender and not torch.equal(new.h[0], model.h_user[0])
    torch.testing.assert_close(new.h[1], model.h_user[1], atol=1e-5, rtol=1e-5)


def test_later_interactions_of_others_change_no_byte_of_the_scores(in_time):
    """A user's scores depend on the user's history and on training."""
    model, known = in_time
    later = pd.DataFrame({"user": np.arange(1, 40), "item": np.resize([3, 8, 15], 39), "timestamp": 50})
    rows = pd.DataFrame({"user": known.histories.users, "item": known.histories.items, "timestamp": 0})
    added = sp.csr_matrix((np.full(39, 5, np.float32), (later["user"], later["item"])), shape=known.matrix.shape)
    matrix = sp.csr_matrix(known.matrix + added)
    matrix.sort_indices()
    changed = Profiles(matrix, Histories.from_interactions(40, rows, later), known.users)
    first = np.array([0])
    assert torch.equal(model.scorer(known)(first), model.scorer(changed)(first))
    assert not torch.equal(model.scorer(known)(first + 1), model.scorer(changed)(first + 1))
