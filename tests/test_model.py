"""The parts together: mixing, choosing the mix on validation, storing."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from movierec.errors import UserError
from movierec.graph import Graph
from movierec.history import Known, history, known_by
from movierec.lightgcn import fold_in
from movierec.metrics import users_to_rank
from movierec.model import MIXES, NEXT_SHARES, mix_quality, mixed_scorer, sample_users, standardised, stored_model, train_model, train_next
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings
from movierec.ranking import DotScorer, evaluate
from movierec.storage import read_arrays, write_arrays
from movierec.training import Settings

SETTINGS = Settings(temperature=0.2, user_weight_power=0.25, lr=0.01, weight_decay=0.0, batch_size=16, epochs=3, patience=3, seed=1)


@pytest.fixture
def trained(checkerboard, graph_of):
    train, missing = checkerboard
    graph = Graph(graph_of(train))
    return graph, train, missing, train_model(graph, train, missing, 8, 2, 1000, 0.0, 0.0, SETTINGS)


def test_scores_are_standardised_per_user():
    scores = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    out = standardised(lambda users: scores[users])(np.arange(2))
    np.testing.assert_allclose(out[0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)
    assert out[1].tolist() == [0, 0, 0], "no deviation is no division by zero"


def test_dot_products_are_standardised_as_any_scores_are():
    rng = torch.Generator().manual_seed(0)
    h_user, h_item = torch.randn(30, 8, generator=rng), torch.randn(50, 8, generator=rng) + 1
    h_user[3] = 0  # a user of whom nothing is known: all scores are equal
    plain, users = DotScorer(h_user, h_item), np.arange(30)
    torch.testing.assert_close(standardised(plain)(users), standardised(lambda users: plain(users))(users), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(standardised(plain)(users[:5]), standardised(DotScorer(h_user[:5], h_item))(users[:5]), rtol=1e-4, atol=1e-5)
    assert standardised(plain)(users[3:4]).tolist() == [[0.0] * 50]


def test_a_mix_is_the_weighted_sum_and_leaves_unused_parts_alone():
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))

    def never(users):
        raise AssertionError("a part without a share is not asked")

    first, third = (lambda u: scores[u]), (lambda u: -2 * scores[u] ** 2)
    mixed = mixed_scorer((first, never, third), (0.25, 0.0, 0.75))
    expected = 0.25 * standardised(first)(np.arange(4)) + 0.75 * standardised(third)(np.arange(4))
    torch.testing.assert_close(mixed(np.arange(4)), expected)


def test_the_checkerboard_is_solved_by_the_whole_model(trained):
    graph, train, missing, result = trained
    assert evaluate(result.model.scorer(graph), train, train, missing, [1])["recall@1"] == 1


def test_the_quality_of_each_mix_is_what_evaluation_measures(random_interactions, graph_of):
    train, valid = random_interactions(40, 30, 0.2), random_interactions(40, 30, 0.1, seed=1)
    valid = (valid - valid.multiply(train)).tocsr()
    graph = Graph(graph_of(train))
    result = train_model(graph, train, valid, 8, 2, 1000, 0.0, 0.0, SETTINGS)
    parts = result.model.parts(graph)
    assert set(result.valid_ndcg) == set(MIXES)
    for mix, ndcg in mix_quality(parts, MIXES, train, valid).items():
        assert ndcg == pytest.approx(evaluate(mixed_scorer(parts, mix), train, train, valid, [20])["ndcg@20"])
    assert result.valid_ndcg[result.model.mix] == max(result.valid_ndcg.values())


def test_a_sample_keeps_whole_rows_of_users_that_can_be_ranked(random_interactions):
    history, relevant = random_interactions(50, 9, 0.3), random_interactions(50, 9, 0.2, seed=1)
    rankable = users_to_rank(relevant, history)
    sample = sample_users(relevant, history, 10)
    users = np.flatnonzero(np.diff(sample.indptr))
    assert set(users) <= set(rankable) and 10 <= len(users) <= 20
    assert (sample[users] != relevant[users]).nnz == 0
    assert set(np.flatnonzero(np.diff(sample_users(relevant, history, 1000).indptr))) == set(rankable)


@pytest.mark.parametrize(("limit", "present"), [(1000, (True, True)), (30, (False, True)), (10, (False, False))])
def test_a_side_that_is_too_large_gets_no_kernel(checkerboard, graph_of, limit, present, tmp_path):
    train, missing = checkerboard  # 40 users, 20 items
    graph = Graph(graph_of(train))
    model = train_model(graph, train, missing, 8, 2, limit, 0.0, 0.0, SETTINGS).model
    assert (model.users is not None, model.items is not None) == present
    write_arrays(tmp_path / "model.npz", **model.arrays())
    again = stored_model(read_arrays(tmp_path / "model.npz"), graph)
    users = np.arange(40)
    torch.testing.assert_close(again.scorer(graph)(users), model.scorer(graph)(users), atol=1e-4, rtol=1e-4)


def test_a_model_of_another_graph_is_refused(trained, random_interactions, graph_of):
    *_, result = trained
    with pytest.raises(UserError, match="the model knows 40 users and 20 movies, the graph 7 and 5; run `dvc repro`"):
        stored_model(result.model.arrays(), Graph(graph_of(random_interactions(7, 5))))


def test_training_by_torchs_messages_gives_what_training_by_dgls_gives(checkerboard, graph_of):
    """The path that a GPU takes, here on the CPU."""
    train, missing = checkerboard
    by_dgl, by_torch = Graph(graph_of(train)), Graph(graph_of(train), use_dgl=False)
    models = [train_model(by_dgl, train, missing, 8, 2, 1000, 0.0, 0.0, SETTINGS, trained_on=other).model for other in (None, by_torch)]
    torch.testing.assert_close(models[0].h_user, models[1].h_user, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(models[0].h_item, models[1].h_item, atol=1e-4, rtol=1e-4)


def known_from(train):
    """The interactions of a matrix as if in time, in the order of the items."""
    user, item = train.nonzero()
    return known_by(*train.shape, [pd.DataFrame({"user": user, "item": item, "rating": np.float32(1)})], 0.0)


def test_folded_in_from_the_training_history_a_user_has_the_trained_vector(trained):
    graph, train, _, result = trained
    model = result.model
    torch.testing.assert_close(fold_in(model.user_embedding, model.item_messages, train), model.h_user, atol=1e-5, rtol=1e-5)


def test_each_part_ranks_a_training_history_as_it_ranks_the_user(random_interactions, graph_of):
    train, valid = random_interactions(40, 30, 0.2), random_interactions(40, 30, 0.1, seed=1)
    valid = (valid - valid.multiply(train)).tocsr()
    graph = Graph(graph_of(train))
    model = train_model(graph, train, valid, 8, 2, 1000, 0.3, 0.0, SETTINGS).model
    for known, itself in zip(model.parts(graph, known_from(train)), model.parts(graph)):
        measured = [evaluate(part, train, train, valid, [5, 20]) for part in (known, itself)]
        assert measured[0] == pytest.approx(measured[1], abs=1e-3)


@pytest.fixture
def in_time(checkerboard, graph_of):
    train, missing = checkerboard
    graph, known = Graph(graph_of(train)), known_from(train)
    taste = train_model(graph, train, missing, 8, 2, 1000, 0.0, 0.0, SETTINGS, known=known).model
    network = NextMovie(20, [0.5, 4.0], dim=8, hidden=8, temperature=0.2)
    settings = NextSettings(lr=0.02, epochs=3, batch_steps=64, negatives=10, seed=1)
    return graph, train, missing, known, taste, train_next(taste, graph, known, train, missing, network, settings)


def test_the_shares_are_the_best_on_validation(in_time):
    graph, train, missing, known, taste, result = in_time
    model = result.model

    def quality(scorer):
        return evaluate(scorer, train, train, missing, [20])["ndcg@20"]

    assert sum(model.shares) == pytest.approx(1)
    assert result.valid_ndcg == pytest.approx(quality(model.scorer(graph, known)))
    for share in NEXT_SHARES:
        assert quality(model._replace(shares=(1 - share, share, 0.0)).scorer(graph, known)) <= result.valid_ndcg + 1e-9
    alone = quality(mixed_scorer(taste.parts(graph, known), taste.mix))
    assert quality(model._replace(shares=(1.0, 0.0, 0.0)).scorer(graph, known)) == pytest.approx(alone)


def test_where_all_watch_the_same_lately_the_trend_has_its_share(graph_of):
    """Everybody's history is random, but for the last movie but one: 7; it is also what comes next for those who lack it."""
    rng = np.random.default_rng(0)
    lists = [[*rng.permutation(np.delete(np.arange(30), 7))[:8], 7] for _ in range(60)] + [list(rng.permutation(np.delete(np.arange(30), 7))[:9]) for _ in range(30)]
    rows = pd.DataFrame([(user, item) for user, items in enumerate(lists) for item in items], columns=["user", "item"]).assign(rating=np.float32(1))
    known = known_by(90, 30, [rows], 0.0)
    valid = sp.csr_matrix((np.ones(30, np.float32), (np.arange(60, 90), np.full(30, 7))), shape=(90, 30))
    graph = Graph(graph_of(known.matrix))
    taste = train_model(graph, known.matrix, valid, 4, 1, 0, 0.0, 0.0, SETTINGS._replace(epochs=1), known=known).model
    network = NextMovie(30, [0.5], dim=4, hidden=4, temperature=0.5)
    settings = NextSettings(lr=1e-6, epochs=1, batch_steps=64, negatives=10, seed=1)
    result = train_next(taste, graph, known, known.matrix, valid, network, settings)
    assert result.model.shares[2] > 0 and result.model.trend.argmax() == 7 and result.valid_ndcg > 0.9


def test_a_model_in_time_is_stored_and_read_again(in_time, tmp_path):
    graph, _, _, known, _, result = in_time
    for shares in (result.model.shares, (0.4, 0.4, 0.2)):
        model = result.model._replace(shares=shares)
        write_arrays(tmp_path / "model.npz", **model.arrays())
        again = stored_model(read_arrays(tmp_path / "model.npz"), graph)
        users = np.arange(40)
        torch.testing.assert_close(again.scorer(graph, known)(users), model.scorer(graph, known)(users), atol=1e-4, rtol=1e-4)


def test_what_others_watch_later_changes_nothing_not_a_byte(in_time):
    """A user's scores come from that user's history and from training; what happens to others since is not there."""
    graph, train, _, known, _, result = in_time
    model = result.model._replace(mix=(0.2, 0.4, 0.4), shares=(0.4, 0.4, 0.2))
    later = pd.DataFrame({"user": np.arange(1, 40), "item": np.resize([3, 8, 15], 39)})
    rows = pd.DataFrame({"user": known.history.users, "item": known.history.items})
    matrix = sp.csr_matrix(known.matrix + sp.csr_matrix((np.full(39, 5, np.float32), (later["user"], later["item"])), shape=train.shape))
    matrix.sort_indices()
    changed = Known(matrix, history(40, rows, later), known.users)
    first = np.array([0])
    assert torch.equal(model.scorer(graph, known)(first), model.scorer(graph, changed)(first))
    assert not torch.equal(model.scorer(graph, known)(first + 1), model.scorer(graph, changed)(first + 1))
