"""The loss: a softmax over the items for each user, over all of them or over a sample.

Losses and gradients are computed together over chunks of users, so that the matrix of users x items never exists whole.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.model.graph import weighted_sum
from movierec.model.sampling import Sample
from movierec.ranking.topk import entries
from movierec.utils.operations import exp_, log, product

CHUNK = 512  # users whose scores exist at one time


class _FusedLoss(torch.autograd.Function):
    """A loss whose `forward` computes and saves the gradients of the user and item vectors."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The saved gradients."""
        grad_user, grad_item = ctx.saved_tensors
        return grad_user * grad, grad_item * grad, None, None, None


class SoftmaxLoss(_FusedLoss):
    """The weighted mean of -log softmax over a batch's interactions.

        loss = -1/W sum over (u, i) of w_u [s_ui - log sum_j exp s_uj],    s = U I^T
        d loss / d s_uj = w_u (n_u softmax(s_u)_j - [j is one of u's items]) / W

    where u has n_u items, and W = sum of w_u n_u. Each chunk's scores become their own gradient in place.
    """

    @staticmethod
    def forward(ctx: Any, h_user: Tensor, h_item: Tensor, items: sp.csr_matrix, share: Tensor, chunk: int) -> Tensor:
        """As `softmax_loss`, with share = w_u / W, (n,) float32."""
        grad_user, grad_item = torch.empty_like(h_user), torch.zeros_like(h_item)
        n_items = degrees(items).to(h_user.device)
        loss = 0.0
        for begin in range(0, len(h_user), chunk):
            at = slice(begin, begin + chunk)
            u, part = h_user[at], items[at]
            rows, cols = (index.to(u.device) for index in entries(part))
            w, n_u = share[at].unsqueeze(1), n_items[at].unsqueeze(1)  # (chunk, 1)
            s = product(u, h_item.T)  # (chunk, n_items)
            s -= s.amax(dim=1, keepdim=True)
            positive = s[rows, cols]
            exp_(s)
            z = s.sum(dim=1, keepdim=True)
            loss += _total(w * n_u * log(z), -w.squeeze(1)[rows] * positive)
            s *= w * n_u / z
            s[rows, cols] -= w.squeeze(1)[rows]
            product(s, h_item, out=grad_user[at])
            grad_item += product(s.T, u)
        ctx.save_for_backward(grad_user, grad_item)
        return h_user.new_tensor(loss)


class SampledItems(NamedTuple):
    """The users of a batch in groups, and each group's sample."""

    samples: list[Sample]
    bounds: np.ndarray  # (n_groups + 1,): group g is the rows from bounds[g] to bounds[g + 1]


class SampledSoftmaxLoss(_FusedLoss):
    """`SoftmaxLoss` with the sum over all items estimated from a sample:

        log sum_j exp s_uj  ~  log (sum over u's items i of exp s_ui + sum over other sampled j of exp(s_uj) / p_j)

    where j is in the sample with probability p_j, so that the sum is unbiased (the log Q correction of Bengio and
    Senecal, 2008, and Yi et al., RecSys 2019). The user's own items are always included. The cost depends on the size
    of the sample, not on the number of items, but for the gradient's zeros.
    """

    @staticmethod
    def forward(
        ctx: Any, h_user: Tensor, h_item: Tensor, items: sp.csr_matrix, share: Tensor, sampled: SampledItems
    ) -> Tensor:
        """As `SoftmaxLoss`, with the sampled items in place of the chunk size."""
        device = h_user.device
        grad_user, grad_item = torch.empty_like(h_user), torch.zeros_like(h_item)
        column_of = np.full(h_item.shape[0], -1)
        of_own = []  # d loss / d s_ui of the users' own items
        loss = 0.0
        for sample, begin, end in zip(sampled.samples, sampled.bounds, sampled.bounds[1:], strict=False):
            if begin == end:  # its users belong to other processes
                continue
            at = slice(begin, end)
            u, part = h_user[at], items[begin:end]
            index = torch.from_numpy(sample.items).to(device)
            h_sampled = h_item.index_select(0, index)  # (k, dim)
            correction = torch.from_numpy(np.log(sample.probability)).float().to(device)
            column_of[sample.items] = np.arange(len(sample.items))
            column = torch.from_numpy(column_of[part.indices])
            column_of[sample.items] = -1
            rows, cols = entries(part)
            twice = column >= 0  # own items that are in the sample, and count as own
            hidden = rows[twice].to(device), column[twice].to(device)
            rows, cols, lengths = rows.to(device), cols.to(device), torch.from_numpy(np.diff(part.indptr)).to(device)
            w, n_u = share[at].unsqueeze(1), lengths.unsqueeze(1).float()  # (n, 1)
            s = product(u, h_sampled.T).sub_(correction)  # (n, k)
            s[hidden] = -torch.inf
            positive = (u.index_select(0, rows) * h_item.index_select(0, cols)).sum(dim=1)
            top = torch.maximum(s.amax(dim=1), torch.segment_reduce(positive, "max", lengths=lengths))
            positive -= top[rows]
            exp_(s.sub_(top.unsqueeze(1)))
            z = s.sum(dim=1) + torch.segment_reduce(exp_(positive.clone()), "sum", lengths=lengths)
            loss += _total((w * n_u).squeeze(1) * log(z), -w.squeeze(1)[rows] * positive)
            per_z = w * n_u / z.unsqueeze(1)
            s *= per_z
            of_own.append((exp_(positive) * per_z.squeeze(1)[rows] - w.squeeze(1)[rows]).cpu().numpy())
            product(s, h_sampled, out=grad_user[at])
            grad_item.index_add_(0, index, product(s.T, u))
        values = np.concatenate([*of_own, np.empty(0, np.float32)])
        own = sp.csr_matrix((values, items.indices, items.indptr), shape=items.shape)
        grad_user += weighted_sum(own, device)(h_item)
        grad_item += weighted_sum(own.T.tocsr(), device)(h_user)
        ctx.save_for_backward(grad_user, grad_item)
        return h_user.new_tensor(loss)


def _total(*logs: Tensor) -> float:
    """The sum of all entries; by NumPy, whose order of summation is fixed."""
    return float(torch.cat([of.flatten() for of in logs]).cpu().numpy().sum(dtype=np.float64))


def degrees(items: sp.csr_matrix) -> Tensor:
    """Interactions of each row, (n,) float32."""
    return torch.from_numpy(np.diff(items.indptr).astype(np.float32))


def softmax_loss(
    h_user: Tensor,
    h_item: Tensor,
    items: sp.csr_matrix,
    weight: Tensor,
    *,
    total: float | None = None,
    sampled: SampledItems | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """The loss of a batch, or of this process's part of one, () float32.

    Args:
        h_user: (n, dim) float32, divided by the temperature.
        h_item: (n_items, dim) float32.
        items: (n, n_items), the interactions of the n users.
        weight: (n,) float32, w_u, the weight of each of a user's interactions.
        total: W of the whole batch, where the n users are a part of it.
        sampled: the sample of items; None for the exact softmax.
        chunk: users at one time, in the exact softmax.
    """
    share = weight / (total_weight(weight, degrees(items).to(weight.device)) if total is None else total)
    if sampled is None:
        return SoftmaxLoss.apply(h_user, h_item, items, share, chunk)
    return SampledSoftmaxLoss.apply(h_user, h_item, items, share, sampled)


def total_weight(weight: Tensor, degree: Tensor) -> float:
    """W, the sum of w_u n_u over the users, from both (n,)."""
    return _total(weight * degree)
