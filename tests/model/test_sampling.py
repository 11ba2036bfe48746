"""Samples of items: their probabilities, and training with them."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from conftest import params_with

from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.sampling import GROUP, Sampler, inclusion_probabilities
from movierec.model.training import LightGCNTraining


def test_inclusion_probabilities_add_up_and_popular_items_are_certain():
    probability = inclusion_probabilities(np.array([0, 1, 4, 100, 10000]), 3)
    assert probability.sum() == pytest.approx(3) and probability.max() == 1
    assert probability[3] == probability[4] == 1 and probability[2] == pytest.approx(2 * probability[1])
    assert inclusion_probabilities(np.ones(4), 9).tolist() == [1, 1, 1, 1], "at most all items"
    assert inclusion_probabilities(np.ones(4), 1).tolist() == [0.25] * 4


def test_items_are_sampled_with_their_stated_probability(random_interactions):
    """So that the estimate of any sum over items, each divided by its probability, is unbiased."""
    train = random_interactions(30 * GROUP, 400, density=0.02)
    sampler, rng = Sampler(train, 6 * GROUP, seed=3), np.random.default_rng(0)  # three items from each user
    users = np.flatnonzero(np.diff(train.indptr))
    times, stated, n = np.zeros(400), np.zeros(400), 2000
    for step in range(n):
        sample = sampler.draw(rng.permutation(users)[:GROUP], step)[0]
        times[sample.items] += 1
        stated[sample.items] = sample.probability
    assert (stated > 0).all() and stated.min() < 0.45 < 0.6 < stated.max()
    # The formula takes draws of users as independent, but they are without replacement: a small difference.
    np.testing.assert_allclose(times / n, stated, atol=5 * np.sqrt(0.25 / n))
    assert np.mean(times / n) == pytest.approx(np.mean(stated), rel=0.01)


def test_samples_repeat_and_each_group_has_its_own(random_interactions):
    train = random_interactions(3 * GROUP, 500, density=0.05)
    batch = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(train.indptr)))
    first, again, next_step = (Sampler(train, 200, seed=1).draw(batch, step) for step in (4, 4, 5))
    assert [s.items.tolist() for s in first] == [s.items.tolist() for s in again]
    different = {tuple(s.items) for s in first + next_step}
    assert len(first) == -(-len(batch) // GROUP) and len(different) == 2 * len(first)
    assert all(100 < len(s.items) <= 200 and (np.diff(s.items) > 0).all() for s in first[:-1])


def test_the_sampled_softmax_trains_as_well_as_the_exact_one(graph_of):
    """Users and movies of ten kinds, each of 30: users like movies of their kind, and one is held out."""
    rng, kind = np.random.default_rng(0), np.repeat(np.arange(10), 30)
    liked = (kind[:, None] == kind) & (rng.random((300, 300)) < 0.5)
    held_out = np.zeros_like(liked)
    for user in range(300):
        held_out[user, rng.choice(np.flatnonzero(liked[user]))] = True
    train, valid = (sp.csr_matrix(of.astype(np.float32)) for of in (liked & ~held_out, held_out))
    params = params_with(temperature=0.2, lr=0.01, batch_size=100, epochs=8, patience=8, negatives=100)
    ndcg = {"exact": 0.0, "sampled": 0.0}  # mean of three seeds
    for softmax, seed in itertools.product(ndcg, (1, 2, 3)):
        model = LightGCN(Graph(graph_of(train)), spectral_embeddings(train, 8, 1), 2)
        changed = params.model_copy(update={"softmax": softmax, "seed": seed})
        ndcg[softmax] += LightGCNTraining(model, train, valid, changed).run().best.valid_ndcg / 3
    assert ndcg["sampled"] == pytest.approx(ndcg["exact"], rel=0.05) and ndcg["exact"] > 0.2


@pytest.mark.parametrize(
    ("softmax", "n_items", "sampled"),
    [("auto", 3_706, False), ("auto", 84_432, True), ("exact", 84_432, False), ("sampled", 3_706, True)],
)
def test_training_samples_where_it_costs_less(graph_of, softmax, n_items, sampled):
    train = sp.csr_matrix(np.ones((1, 1), np.float32))
    train.resize(1, n_items)
    model = LightGCN(Graph(graph_of(train)), (torch.ones(1, 1), torch.ones(n_items, 1)), 0)
    training = LightGCNTraining(model, train, train, params_with(temperature=0.2, softmax=softmax, negatives=4096))
    assert (training.sampler is not None) == sampled
