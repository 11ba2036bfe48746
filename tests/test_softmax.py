"""The sampled softmax: its gradient, what it estimates, and that it trains what the exact one trains."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.graph import Graph
from movierec.lightgcn import LightGCN, spectral_start
from movierec.sampling import GROUP, Sample, Sampler
from movierec.softmax import Sampled, softmax_loss
from movierec.training import Settings, fit, samples_cost_less

N_USERS, N_ITEMS = 9, 12


def embeddings(generator):
    generator.manual_seed(0)
    return [(scale * torch.randn(n, 5, generator=generator)).requires_grad_() for n, scale in ((N_USERS, 3), (N_ITEMS, 1))]


@pytest.fixture
def items(random_interactions):
    dense = random_interactions(N_USERS, N_ITEMS).toarray()
    dense[2] = 0  # a user without interactions
    return sp.csr_matrix(dense)


SAMPLED = Sampled([Sample(np.array([0, 3, 4, 9]), np.array([1.0, 0.5, 0.2, 0.7])), Sample(np.array([1, 2, 11]), np.array([0.3, 0.9, 0.1]))], np.array([0, 5, 9]))


def plain_loss(h_user, h_item, items, weight, sampled):
    """The loss as its formula has it, user by user, for torch's own autograd."""
    total, scores = 0.0, h_user @ h_item.T
    for sample, begin, end in zip(sampled.samples, sampled.bounds, sampled.bounds[1:]):
        for user in range(begin, end):
            own = torch.from_numpy(items[[user]].indices.astype(np.int64))
            others = [(j, p) for j, p in zip(sample.items, sample.probability) if j not in own]
            estimate = torch.cat([scores[user, own], *(scores[user, j].reshape(1) - float(np.log(p)) for j, p in others)])
            total = total + weight[user] * (len(own) * torch.logsumexp(estimate, 0) - scores[user, own].sum())
    return total / (weight * torch.from_numpy(np.diff(items.indptr)).float()).sum()


@pytest.mark.parametrize("far", [1.0, 300.0])  # with scores of a thousand nothing may overflow
def test_loss_and_gradient_agree_with_autograd(items, far):
    generator = torch.Generator().manual_seed(0)
    weight, grads = torch.rand(N_USERS, generator=generator), []
    for loss_of in (lambda *given: softmax_loss(*given, sampled=SAMPLED), lambda *given: plain_loss(*given, SAMPLED)):
        h_user, h_item = embeddings(generator)
        loss = loss_of(far * h_user, h_item, items, weight)
        (2 * loss).backward()
        grads.append((loss.detach(), h_user.grad, h_item.grad))
    for ours, theirs in zip(*grads):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * far, rtol=1e-4)


def test_a_sample_of_all_items_is_the_exact_softmax(items):
    everything = Sampled([Sample(np.arange(N_ITEMS), np.ones(N_ITEMS))], np.array([0, N_USERS]))
    generator, weight, grads = torch.Generator(), torch.linspace(0.5, 2, N_USERS), []
    for sampled in (everything, None):
        h_user, h_item = embeddings(generator)
        loss = softmax_loss(h_user, h_item, items, weight, sampled=sampled)
        loss.backward()
        grads.append((loss.detach(), h_user.grad, h_item.grad))
    for ours, exact in zip(*grads):
        torch.testing.assert_close(ours, exact)


def test_a_group_whose_users_are_other_processes_adds_nothing(items):
    generator, losses = torch.Generator(), []
    empty_first = Sampled([SAMPLED.samples[1], *SAMPLED.samples], np.array([0, 0, 5, 9]))
    for sampled in (SAMPLED, empty_first):
        h_user, h_item = embeddings(generator)
        loss = softmax_loss(h_user, h_item, items, torch.ones(N_USERS), sampled=sampled)
        loss.backward()
        losses.append((loss.detach(), h_user.grad, h_item.grad))
    assert all(torch.equal(one, other) for one, other in zip(*losses))


def test_items_are_sampled_with_the_probability_that_is_said(random_interactions):
    """So that the estimate of any sum over items, each divided by its probability, has the right expectation."""
    train = random_interactions(30 * GROUP, 400, density=0.02)
    sampler, rng = Sampler(train, 6 * GROUP, seed=3), np.random.default_rng(0)  # three items from each user
    users = np.flatnonzero(np.diff(train.indptr))
    times, said, n = np.zeros(400), np.zeros(400), 2000
    for number in range(n):
        sample = sampler.draw(rng.permutation(users)[:GROUP], number)[0]
        times[sample.items] += 1
        said[sample.items] = sample.probability
    assert (said > 0).all() and said.min() < 0.45 < 0.6 < said.max()
    # Users are drawn without replacement, which the formula takes for independent: by a little.
    np.testing.assert_allclose(times / n, said, atol=5 * np.sqrt(0.25 / n))
    assert np.mean(times / n) == pytest.approx(np.mean(said), rel=0.01)


def test_samples_repeat_and_each_group_has_its_own(random_interactions):
    train = random_interactions(3 * GROUP, 500, density=0.05)
    batch = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(train.indptr)))
    first, again, next_step = (Sampler(train, 200, seed=1).draw(batch, number) for number in (4, 4, 5))
    assert [s.items.tolist() for s in first] == [s.items.tolist() for s in again]
    different = {tuple(s.items) for s in first + next_step}
    assert len(first) == -(-len(batch) // GROUP) and len(different) == 2 * len(first)
    assert all(100 < len(s.items) <= 200 and (np.diff(s.items) > 0).all() for s in first[:-1])


def test_the_sampled_softmax_trains_what_the_exact_one_does(graph_of):
    """Users and movies of ten kinds, each of 30: users like their kind's movies, and one is hidden."""
    rng = np.random.default_rng(0)
    kind_of_user, kind_of_item = np.repeat(np.arange(10), 30), np.repeat(np.arange(10), 30)
    liked = (kind_of_user[:, None] == kind_of_item) & (rng.random((300, 300)) < 0.5)
    hidden = np.zeros_like(liked)
    for user in range(300):
        hidden[user, rng.choice(np.flatnonzero(liked[user]))] = True
    train, valid = (sp.csr_matrix(of.astype(np.float32)) for of in (liked & ~hidden, hidden))
    found = {}
    for softmax in ("exact", "sampled"):
        model = LightGCN(Graph(graph_of(train)), spectral_start(train, 8, 1), 2)
        settings = Settings(0.2, 0.25, 0.01, 0.0, 100, 8, 8, 1, softmax=softmax, negatives=100)
        found[softmax] = fit(model, train, valid, settings).best.valid_ndcg
    assert found["sampled"] == pytest.approx(found["exact"], rel=0.05) and found["exact"] > 0.2


def test_sampling_is_chosen_where_it_costs_less():
    assert not samples_cost_less(3_706, 4096) and samples_cost_less(84_432, 4096)


def test_with_more_users_batches_grow_and_steps_do_not(graph_of, random_interactions):
    """Each step propagates over the whole graph: a number of steps that grew with the users would cost their square."""
    train, steps = random_interactions(120, 30), []
    model = LightGCN(Graph(graph_of(train)), spectral_start(train, 4, 1), 1)
    model.register_forward_hook(lambda *_: steps.append(torch.is_grad_enabled()))
    fit(model, train, random_interactions(120, 30, seed=1), Settings(0.2, 0.25, 0.001, 0.0, 10, 1, 1, 1, epoch_steps=3))
    assert sum(steps) == 3
