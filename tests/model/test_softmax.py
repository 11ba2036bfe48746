"""The exact and the sampled softmax loss: values and gradients against torch's autograd."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.model.sampling import Sample
from movierec.model.softmax import SampledItems, degrees, softmax_loss, total_weight

N_USERS, N_ITEMS = 9, 12
WEIGHT = torch.rand(N_USERS, generator=torch.Generator().manual_seed(1))
FIRST = Sample(np.array([0, 3, 4, 9]), np.array([1.0, 0.5, 0.2, 0.7]))
SECOND = Sample(np.array([1, 2, 11]), np.array([0.3, 0.9, 0.1]))
SAMPLED = SampledItems([FIRST, SECOND], np.array([0, 5, 9]))


@pytest.fixture
def items(random_interactions):
    dense = random_interactions(N_USERS, N_ITEMS).toarray()
    dense[2] = 0  # a user without interactions
    return sp.csr_matrix(dense)


def vectors():
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(N_USERS, 5, generator=generator), torch.randn(N_ITEMS, 5, generator=generator)


def with_gradients(loss_of, h_user, h_item, *args, scale=1.0, **options):
    """The loss of the vectors, those of users times `scale`, and the gradients of its double."""
    h_user, h_item = (h.clone().requires_grad_() for h in (h_user, h_item))
    loss = loss_of(scale * h_user, h_item, *args, **options)
    (2 * loss).backward()
    return loss.detach(), h_user.grad, h_item.grad


def assert_close(ours, theirs, **tolerances):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **tolerances)


def plain_loss(h_user, h_item, items, weight):
    """The exact loss by torch's log_softmax."""
    weights = torch.from_numpy(items.toarray()) * weight.unsqueeze(1)
    return -(torch.log_softmax(h_user @ h_item.T, dim=1) * weights).sum() / weights.sum()


def plain_sampled_loss(h_user, h_item, items, weight, sampled):
    """The sampled loss by its formula, user by user."""
    total, scores = 0.0, h_user @ h_item.T
    for sample, begin, end in zip(sampled.samples, sampled.bounds, sampled.bounds[1:]):
        for user in range(begin, end):
            own = torch.from_numpy(items[[user]].indices.astype(np.int64))
            others = [(j, p) for j, p in zip(sample.items, sample.probability) if j not in own]
            corrected = [scores[user, j].reshape(1) - float(np.log(p)) for j, p in others]
            estimate = torch.cat([scores[user, own], *corrected])
            total = total + weight[user] * (len(own) * torch.logsumexp(estimate, 0) - scores[user, own].sum())
    return total / (weight * torch.from_numpy(np.diff(items.indptr)).float()).sum()


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_the_exact_loss_and_gradient_agree_with_autograd(items, chunk):
    ours = with_gradients(softmax_loss, *vectors(), items, WEIGHT, chunk=chunk)
    theirs = with_gradients(plain_loss, *vectors(), items, WEIGHT)
    assert ours[0].item() == pytest.approx(theirs[0].item(), rel=1e-5)
    assert_close(ours[1:], theirs[1:], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 300.0])  # nothing overflows with scores of a thousand
def test_the_sampled_loss_and_gradient_agree_with_autograd(items, scale):
    ours = with_gradients(softmax_loss, *vectors(), items, WEIGHT, sampled=SAMPLED, scale=scale)
    theirs = with_gradients(plain_sampled_loss, *vectors(), items, WEIGHT, SAMPLED, scale=scale)
    assert_close(ours, theirs, atol=1e-5 * scale, rtol=1e-4)


def test_large_scores_do_not_overflow():
    h = torch.tensor([[1000.0]]), torch.tensor([[1.0], [-1.0]])
    loss, *_ = with_gradients(softmax_loss, *h, sp.csr_matrix(np.array([[1, 0]], np.float32)), torch.ones(1))
    assert loss.item() == pytest.approx(0)


def test_users_of_one_chunk_may_have_scores_of_different_size():
    """Each user's scores are shifted by their own maximum: by another user's, all of them would underflow."""
    items, weight = sp.csr_matrix(np.array([[1, 0], [0, 1], [1, 1]], np.float32)), torch.tensor([1.0, 2.0, 0.5])
    h = torch.tensor([[1000.0], [1.0], [-300.0]]), torch.tensor([[1.0], [-1.0]])
    assert_close(*(with_gradients(of, *h, items, weight) for of in (softmax_loss, plain_loss)))


def test_a_sample_of_all_items_is_the_exact_softmax(items):
    everything = SampledItems([Sample(np.arange(N_ITEMS), np.ones(N_ITEMS))], np.array([0, N_USERS]))
    weight = torch.linspace(0.5, 2, N_USERS)
    assert_close(*(with_gradients(softmax_loss, *vectors(), items, weight, sampled=of) for of in (everything, None)))


def test_a_group_with_users_of_other_processes_alone_adds_nothing(items):
    empty_first = SampledItems([SECOND, FIRST, SECOND], np.array([0, 0, 5, 9]))
    one, other = (with_gradients(softmax_loss, *vectors(), items, WEIGHT, sampled=of) for of in (SAMPLED, empty_first))
    assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("samples", [None, (FIRST, SECOND)], ids=["exact", "sampled"])
def test_the_losses_of_the_parts_of_a_batch_add_up(items, samples):
    """As the processes of distributed training add them."""
    (h_user, h_item), parts = vectors(), []
    whole = with_gradients(softmax_loss, h_user, h_item, items, WEIGHT, sampled=SAMPLED if samples else None)
    total = total_weight(WEIGHT, degrees(items))
    assert total == pytest.approx((WEIGHT.numpy() @ items.toarray()).sum())
    for number, rows in enumerate((slice(0, 5), slice(5, 9))):
        sampled = SampledItems([samples[number]], np.array([0, rows.stop - rows.start])) if samples else None
        given = h_user[rows], h_item, items[rows], WEIGHT[rows]
        parts.append(with_gradients(softmax_loss, *given, total=total, sampled=sampled))
    losses, of_users, of_items = zip(*parts)
    assert_close(whole, (sum(losses), torch.cat(of_users), sum(of_items)), atol=1e-6, rtol=1e-4)
