"""The next-movie model: its states in three ways, causality, and its scores by their formula."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_histories import N_ITEMS, histories_of, random_lists, small_network

from movierec.interactions.history import transitions
from movierec.model.next_movie import INITIAL_HALF_LIFE, INITIAL_REACH, NextMovie


@pytest.fixture
def network():
    return small_network()


def plain_state(network, items):
    """A state by its formula."""
    e, out = network.origin.detach().numpy().astype(float), []
    for b, half_life in enumerate(network.half_lives):
        of_b = e[:, b * network.dim : (b + 1) * network.dim]
        messages = [2.0 ** (-age / half_life) * of_b[item] for age, item in enumerate(reversed(items))]
        out.append(sum(messages, np.zeros(network.dim)))
    return np.concatenate(out)


def test_messages_steps_and_the_formula_give_the_same_state(network):
    lists = [*random_lists(), []]
    by_messages = network.states(histories_of(lists)).detach()
    np.testing.assert_allclose(by_messages, [plain_state(network, items) for items in lists], atol=1e-5)
    for items, expected in zip(lists[:-1], by_messages):
        walked = network.walk(torch.tensor(items).unsqueeze(1))[-1, 0]
        torch.testing.assert_close(walked, expected, atol=1e-5, rtol=1e-5)


def test_one_more_movie_is_one_step_from_the_state_before(network):
    lists = random_lists()
    before = network.states(histories_of([items[:-1] for items in lists]))
    after = network.after(before, torch.tensor([items[-1] for items in lists]))
    again = network.states(histories_of(lists))
    torch.testing.assert_close(after, again, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.scores(after), network.scores(again), atol=1e-4, rtol=1e-4)


def test_the_gradient_of_a_walk_is_that_of_its_steps(network):
    network.double().decay = network.decay.double()
    items = torch.tensor([[3, 1], [4, 0], [3, 9], [2, 6], [7, 0]])
    states = [torch.zeros(2, len(network.decay), dtype=torch.float64)]
    for column in items:
        states.append(network.after(states[-1], column))
    weight = torch.randn(5, 2, len(network.decay), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grads = []
    for walked in (network.walk(items), torch.stack(states[1:])):
        grads += torch.autograd.grad((walked * weight).sum(), network.origin)
    torch.testing.assert_close(*grads, atol=1e-12, rtol=1e-12)


def test_the_scores_are_their_formula(network):
    z = network.states(histories_of(random_lists())).detach()
    scale = np.repeat([np.sqrt(1 - 4 ** (-1 / b)) for b in network.half_lives], network.dim)
    x = (z.numpy() * scale) @ network.mix.weight.detach().numpy().T + network.mix.bias.detach().numpy()
    norm = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    u = torch.from_numpy(x) + network.down(F.gelu(network.up(torch.from_numpy(norm).float())))
    expected = F.cosine_similarity(u.float().unsqueeze(1), network.end.unsqueeze(0), dim=2) / 0.2 + network.bias
    torch.testing.assert_close(network.scores(z), expected, atol=1e-4, rtol=1e-4)


def test_the_future_changes_no_byte_of_earlier_states(network):
    items = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6]).unsqueeze(1)
    other = items.clone()
    other[5:] = torch.tensor([[8], [7], [11]])
    assert torch.equal(network.walk(items)[:5], network.walk(other)[:5])
    assert not torch.equal(network.walk(items)[5], network.walk(other)[5])


def test_the_histories_of_others_change_no_byte_of_the_scores(network):
    lists = random_lists()
    scorer = network.scorer(histories_of(lists))
    elsewhere = network.scorer(histories_of([lists[0], *random_lists(len(lists) - 1, seed=9)]))
    assert torch.equal(scorer(np.array([0])), elsewhere(np.array([0])))


def test_the_initial_embeddings_factorise_the_transitions():
    """Source times target gives the leading singular triplets, up to a factor and small noise."""
    histories, dim = histories_of([np.arange(start, start + 6) % N_ITEMS for start in range(N_ITEMS)]), 5
    network = NextMovie(N_ITEMS, [1.0, 2.0], dim=dim, hidden=8, temperature=0.2).initialise_(histories, seed=3)
    origin, end = (of.detach().numpy() for of in (network.origin, network.end))
    counts = transitions(histories, N_ITEMS, INITIAL_HALF_LIFE, INITIAL_REACH).toarray()
    normalised = counts / np.sqrt(np.outer(counts.sum(axis=1), counts.sum(axis=0)))
    left, values, right = np.linalg.svd(normalised)
    leading = left[:, :dim] * values[:dim] @ right[:dim]
    assert (origin[:, :dim] == origin[:, dim:]).all(), "one embedding per half-life, all alike"
    assert np.corrcoef((origin[:, :dim] @ end.T).ravel(), leading.ravel())[0, 1] > 0.98


def test_a_stored_model_gives_the_same_scores(network):
    again = NextMovie.from_arrays(network.arrays())
    z = network.states(histories_of(random_lists()))
    assert torch.equal(again.scores(z), network.scores(z)) and again.half_lives == network.half_lives
