"""The objective, a softmax over the items for each user: over all of them, or estimated from a sample where there are too many.

Losses and gradients are computed by hand over chunks of users: no matrix of users x items exists whole.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.graph import torch_sum
from movierec.ranking import pairs
from movierec.sampling import Sample

CHUNK = 512  # users whose scores exist at one time


class LossByHand(torch.autograd.Function):
    """A loss whose `forward` computes the gradients too, and saves them."""

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        grad_user, grad_item = ctx.saved_tensors
        return grad_user * grad, grad_item * grad, None, None, None


class SoftmaxLoss(LossByHand):
    """A batch's weighted mean of -log softmax over its interactions, with its gradient computed by hand.

        loss = -1/W sum over (u, i) of w_u [s_ui - log sum_j exp s_uj],    s = U I^T
        d loss / d s_uj = w_u (n_u softmax(s_u)_j - [j is one of u's items]) / W

    where u has n_u items, and W = sum of w_u n_u. Users are taken in chunks, each chunk's scores are turned
    into their gradient in place and multiplied out at once: the score matrix never exists whole.
    """

    @staticmethod
    def forward(ctx, h_user: torch.Tensor, h_item: torch.Tensor, items: sp.csr_matrix, share: torch.Tensor, chunk: int) -> torch.Tensor:
        """
        Args:
            h_user: (n, dim) float32.
            h_item: (n_items, dim) float32.
            items: (n, n_items), the interactions of the n users.
            share: (n,) float32, w_u / W.
            chunk: users at one time.

        Returns:
            () float32.
        """
        grad_user, grad_item = torch.empty_like(h_user), torch.zeros_like(h_item)
        n_items = degrees(items).to(h_user.device)
        loss = 0.0
        for begin in range(0, len(h_user), chunk):
            at = slice(begin, begin + chunk)
            u, part = h_user[at], items[at]
            rows, cols = (index.to(u.device) for index in pairs(part))
            w, n_u = share[at].unsqueeze(1), n_items[at].unsqueeze(1)  # (chunk, 1)
            s = u @ h_item.T  # (chunk, n_items)
            s -= s.amax(dim=1, keepdim=True)
            positive = s[rows, cols]
            s.exp_()
            z = s.sum(dim=1, keepdim=True)
            logs = torch.cat([(w * n_u * z.log()).squeeze(1), -w.squeeze(1)[rows] * positive])
            loss += float(logs.cpu().numpy().sum(dtype=np.float64))
            s *= w * n_u / z
            s[rows, cols] -= w.squeeze(1)[rows]
            torch.mm(s, h_item, out=grad_user[at])
            grad_item.addmm_(s.T, u)
        ctx.save_for_backward(grad_user, grad_item)
        return h_user.new_tensor(loss)


class Sampled(NamedTuple):
    """Users in groups, and each group's sample."""

    samples: list[Sample]
    bounds: np.ndarray  # (n_groups + 1,): group g is the rows from bounds[g] to bounds[g + 1]


class SampledSoftmaxLoss(LossByHand):
    """The same with the sum over all items estimated from some of them:

        log sum_j exp s_uj  ~  log (sum over u's items i of exp s_ui + sum over other sampled j of exp(s_uj) / p_j)

    where j is among the sampled with probability p_j: the sum has the right expectation (the 'log Q correction' of Bengio
    and Senecal, 2008, and Yi et al., RecSys 2019). The user's own items are all there, so that only what is estimated
    for the others has an error. The cost depends on the sample's size, not on the number of items (but for the gradient's zeros).
    """

    @staticmethod
    def forward(ctx, h_user: torch.Tensor, h_item: torch.Tensor, items: sp.csr_matrix, share: torch.Tensor, sampled: Sampled) -> torch.Tensor:
        """
        Args:
            h_user: (n, dim) float32.
            h_item: (n_items, dim) float32.
            items: (n, n_items), the interactions of the n users.
            share: (n,) float32, w_u / W.
            sampled: from which items each user's sum is estimated.

        Returns:
            () float32.
        """
        device = h_user.device
        grad_user, grad_item = torch.empty_like(h_user), torch.zeros_like(h_item)
        column_of = np.full(h_item.shape[0], -1)
        of_pairs = []  # d loss / d s_ui of the users' own items
        loss = 0.0
        for sample, begin, end in zip(sampled.samples, sampled.bounds, sampled.bounds[1:]):
            if begin == end:  # its users are other processes'
                continue
            at = slice(begin, end)
            u, part = h_user[at], items[begin:end]
            index = torch.from_numpy(sample.items).to(device)
            h_sampled = h_item.index_select(0, index)  # (k, dim)
            correction = torch.from_numpy(np.log(sample.probability)).float().to(device)
            column_of[sample.items] = np.arange(len(sample.items))
            column = torch.from_numpy(column_of[part.indices])
            column_of[sample.items] = -1
            rows, cols = pairs(part)
            too = column >= 0  # own items that are sampled too, and counted as own
            hidden = rows[too].to(device), column[too].to(device)
            rows, cols, lengths = rows.to(device), cols.to(device), torch.from_numpy(np.diff(part.indptr)).to(device)
            w, n_u = share[at].unsqueeze(1), lengths.unsqueeze(1).float()  # (n, 1)
            s = torch.addmm(-correction, u, h_sampled.T)  # (n, k)
            s[hidden] = -torch.inf
            positive = (u.index_select(0, rows) * h_item.index_select(0, cols)).sum(dim=1)
            top = torch.maximum(s.amax(dim=1), torch.segment_reduce(positive, "max", lengths=lengths))
            positive -= top[rows]
            s.sub_(top.unsqueeze(1)).exp_()
            z = s.sum(dim=1) + torch.segment_reduce(positive.exp(), "sum", lengths=lengths)
            logs = torch.cat([(w * n_u).squeeze(1) * z.log(), -w.squeeze(1)[rows] * positive])
            loss += float(logs.cpu().numpy().sum(dtype=np.float64))
            per_z = w * n_u / z.unsqueeze(1)
            s *= per_z
            of_pairs.append((positive.exp_() * per_z.squeeze(1)[rows] - w.squeeze(1)[rows]).cpu().numpy())
            torch.mm(s, h_sampled, out=grad_user[at])
            grad_item.index_add_(0, index, s.T @ u)
        own = sp.csr_matrix((np.concatenate([*of_pairs, np.empty(0, np.float32)]), items.indices, items.indptr), shape=items.shape)
        grad_user += torch_sum(own, device)(h_item)
        grad_item += torch_sum(own.T.tocsr(), device)(h_user)
        ctx.save_for_backward(grad_user, grad_item)
        return h_user.new_tensor(loss)


def degrees(items: sp.csr_matrix) -> torch.Tensor:
    """Interactions of each row, (n,) float32."""
    return torch.from_numpy(np.diff(items.indptr).astype(np.float32))


def total_weight(weight: torch.Tensor, degree: torch.Tensor) -> float:
    """W, the sum of w_u n_u; by numpy, which has one order of summing."""
    return float((weight * degree).cpu().numpy().sum(dtype=np.float64))


def softmax_loss(
    h_user: torch.Tensor,
    h_item: torch.Tensor,
    items: sp.csr_matrix,
    weight: torch.Tensor,
    chunk: int = CHUNK,
    total: float | None = None,
    sampled: Sampled | None = None,
) -> torch.Tensor:
    """The loss of a batch, or of this process' part of one, () float32.

    Args:
        h_user: (n, dim) float32, divided by the temperature.
        h_item: (n_items, dim) float32.
        items: (n, n_items), the interactions of the n users.
        weight: (n,) float32, w_u, of each of a user's interactions.
        chunk: users at one time.
        total: W of the whole batch, where the n users are a part of it.
        sampled: the items to estimate the sum over all from; None for the exact softmax.
    """
    share = weight / (total_weight(weight, degrees(items).to(weight.device)) if total is None else total)
    if sampled is None:
        return SoftmaxLoss.apply(h_user, h_item, items, share, chunk)
    return SampledSoftmaxLoss.apply(h_user, h_item, items, share, sampled)
