"""The next-movie model: its states in three ways, causality, and its scores by their formula."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_histories import N_ITEMS, histories_of, random_lists, small_network

from movierec.interactions.gaps import BREAK, N_CLASSES, gap_class, last_situations
from movierec.interactions.profiles import transitions
from movierec.model.next_movie import INITIAL_HALF_LIFE, INITIAL_REACH, UNLIKELY, NextMovie


@pytest.fixture
def network():
    """With parameters of time that are not 0."""
    network, generator = small_network(), torch.Generator().manual_seed(5)
    with torch.no_grad():
        for of in (network.situation, network.gap, network.when.weight, network.when.bias):
            of.normal_(generator=generator)
    return network.requires_grad_(False)


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
    before, whole = network.states(histories_of([items[:-1] for items in lists])), histories_of(lists)
    after = network.after(before, torch.tensor([items[-1] for items in lists]))
    again = network.states(whole)
    torch.testing.assert_close(after, again, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.scores(after, whole), network.scores(again, whole), atol=1e-4, rtol=1e-4)


def test_the_gradient_of_a_walk_is_that_of_its_steps(network):
    network.requires_grad_().double().decay = network.decay.double()
    items = torch.tensor([[3, 1], [4, 0], [3, 9], [2, 6], [7, 0]])
    states = [torch.zeros(2, len(network.decay), dtype=torch.float64)]
    for column in items:
        states.append(network.after(states[-1], column))
    weight = torch.randn(5, 2, len(network.decay), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grads = []
    for walked in (network.walk(items), torch.stack(states[1:])):
        grads += torch.autograd.grad((walked * weight).sum(), network.origin)
    torch.testing.assert_close(*grads, atol=1e-12, rtol=1e-12)


def of_gap(network, x, gap):
    """The logits of all movies, (n_items,), if the next one is after a gap of this class."""
    x = x + network.gap[gap]
    normal = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
    u = x + network.down.weight @ F.gelu(network.up.weight @ normal + network.up.bias) + network.down.bias
    return F.cosine_similarity(u.unsqueeze(0), network.end, dim=1) / network.temperature + network.bias


@pytest.mark.parametrize(("wait", "exactly"), [(0, False), (BREAK, False), (BREAK, True), (0, True)])
def test_the_scores_are_their_formula(network, wait, exactly):
    """A mixture over the gaps that the moment of asking allows, by their probability."""
    lists = random_lists()
    histories = histories_of(lists, gap=20)
    histories = histories.asked_at(histories.last_times + wait, exactly=exactly)
    z = network.states(histories)
    found = network.scores(z, histories)
    scale = torch.tensor([np.sqrt(1 - 4 ** (-1 / b)) for b in network.half_lives]).repeat_interleave(network.dim)
    for row, items in enumerate(lists):
        x = network.mix.weight @ (z[row] * scale.float()) + network.mix.bias
        x = x + network.situation[last_situations(histories)[row]].sum(dim=0)
        normal = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        p = (network.when.weight @ normal + network.when.bias).exp()
        first = gap_class(np.array([wait]))[0]
        classes = [first] if exactly else range(first, N_CLASSES)
        kept = [g for g in classes if p[g] >= UNLIKELY * p[list(classes)].max()]
        unseen = [item for item in range(N_ITEMS) if item not in items]
        expected = torch.zeros(N_ITEMS)
        for g in kept:
            logits = of_gap(network, x, g)
            expected += p[g] * logits.exp() / logits[unseen].exp().sum()
        difference = found[row] - expected.log()  # the same for all movies
        torch.testing.assert_close(difference, difference.mean().expand(N_ITEMS), atol=1e-4, rtol=1e-4)


def test_gaps_that_are_improbable_are_left_out(network):
    histories = histories_of([[3, 1]])
    z = network.states(histories)
    with torch.no_grad():
        network.when.weight.zero_()
        network.when.bias[1:] = -20
        alone = network.scores(z, histories.asked_at(histories.last_times, exactly=True))
        torch.testing.assert_close(network.scores(z, histories), alone)
        network.gap[1:] = 9.0
        torch.testing.assert_close(network.scores(z, histories), alone)


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
    again, histories = NextMovie.from_arrays(network.arrays()), histories_of(random_lists())
    z = network.states(histories)
    with torch.no_grad():
        assert torch.equal(again.scores(z, histories), network.scores(z, histories))
    assert again.half_lives == network.half_lives
