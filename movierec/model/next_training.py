"""The training of the next-movie model: a softmax over the unseen movies at each step of each history.

The target of a step is one of the next movies, drawn anew each time, of as many as validation asks for. With
leave-one-out, it is the next movie.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from movierec.interactions.gaps import gap_class, situations
from movierec.interactions.histories import Histories
from movierec.interactions.matrix import item_degrees
from movierec.model.next_movie import NextMovie, norm
from movierec.model.sampling import inclusion_probabilities
from movierec.model.training import Training
from movierec.ranking.metrics import rankable_users
from movierec.ranking.topk import evaluate_users
from movierec.utils.errors import UserError
from movierec.utils.operations import exp_, log, product
from movierec.utils.params import Next

MAX_STEPS = 2048  # of a longer history, training takes the end
GAP_WEIGHT = 0.3  # of the loss of the gaps, beside that of the movies
WARM_UP = 0.1  # share of the steps in which the learning rate rises


class Batch(NamedTuple):
    """The histories of some users, side by side."""

    items: Tensor  # (length, n) int64, padded with 0 at the end
    step: Tensor  # (n_steps,) int64, the flattened places in `items` that have a target
    target: Tensor  # (n_steps,) int64
    situation: Tensor  # (n_steps, 3) int64, of `gaps.situations`
    gap: Tensor  # (n_steps,) int64, the class of the time until the target
    histories: list[np.ndarray]  # each user's items; n_steps is the sum of their lengths, less 1 each


def make_batch(histories: Histories, users: np.ndarray, horizon: int, rng: np.random.Generator) -> Batch:
    """The batch of users with two movies or more; a target is drawn from the next `horizon` movies."""
    some = histories.of(users)
    begin = np.maximum(some.indptr[:-1], some.indptr[1:] - MAX_STEPS)
    of_users = [some.items[b:e] for b, e in zip(begin, some.indptr[1:], strict=True)]
    items = np.zeros((max(map(len, of_users)), len(users)), np.int64)
    step, place, ahead = [], [], []
    for column, history in enumerate(of_users):
        items[: len(history), column] = history
        before = np.arange(len(history) - 1)
        left = np.minimum(horizon, len(history) - 1 - before)
        step.append(before * len(users) + column)
        place.append(begin[column] + before)
        ahead.append(1 + (rng.random(len(before)) * left).astype(int))
    at, to = np.concatenate(place), np.concatenate(place) + np.concatenate(ahead)
    found = {"items": items, "step": np.concatenate(step), "target": some.items[to].astype(np.int64)}
    found |= {"situation": situations(some)[at], "gap": gap_class(some.times[to] - some.times[at])}
    return Batch(**{name: torch.from_numpy(of) for name, of in found.items()}, histories=of_users)


def horizon_of(valid: sp.csr_matrix, seen: sp.csr_matrix) -> int:
    """The mean number of held-out movies per validation user: both (n_users, n_items)."""
    users = rankable_users(valid, seen)
    return max(1, round(valid[users].nnz / max(len(users), 1)))


def batches_of_users(lengths: np.ndarray, batch_steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Users in batches of about `batch_steps` movies and similar lengths, to save padding, in random order."""
    users = np.flatnonzero(lengths >= 2)
    lengths = np.minimum(lengths, MAX_STEPS)
    noisy = lengths[users] * np.exp(rng.normal(0, 0.1, len(users)))
    users = users[np.argsort(-noisy, kind="stable")]
    groups, begin = [], 0
    while begin < len(users):
        size = max(1, int(batch_steps / lengths[users[begin]]))
        groups.append(users[begin : begin + size])
        begin += size
    return (groups[i] for i in rng.permutation(len(groups)))


def excluded(batch: Batch, negatives: np.ndarray, n_items: int) -> Tensor:
    """Whether a sampled movie is no negative at a step, as it is already seen or the target: (n_steps, n_negatives)."""
    column_of = np.full(n_items, -1)
    column_of[negatives] = np.arange(len(negatives))
    n_steps = np.array([len(history) - 1 for history in batch.histories])
    column = column_of[np.concatenate([history[:-1] for history in batch.histories])]  # of each movie but the last ones
    place = np.flatnonzero(column >= 0)
    count = np.repeat(np.cumsum(n_steps), n_steps)[place] - place  # of the steps from the movie on
    step = np.repeat(place - np.cumsum(count) + count, count) + np.arange(count.sum())
    out = np.zeros((len(batch.target), len(negatives)), bool)
    out[step, np.repeat(column[place], count)] = True
    target = column_of[batch.target.numpy()]
    rows = np.flatnonzero(target >= 0)
    out[rows, target[rows]] = True
    return torch.from_numpy(out)


class LogSumExp(torch.autograd.Function):
    """log sum_j exp s_ij with s = U E^T + b and some pairs excluded; one score matrix, overwritten in place."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, e: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """Of u (n, dim), e (k, dim), b (k,) and the excluded pairs, out (n, k) bool: (n,)."""
        s = product(u, e.T).add_(b).masked_fill_(out, -torch.inf)
        top = s.amax(dim=1, keepdim=True).clamp_(min=-1e30)  # finite where all are excluded
        z = exp_(s.sub_(top)).sum(dim=1, keepdim=True)
        ctx.save_for_backward(u, e, s, z)
        return (top + log(z)).squeeze(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Of u, e and b."""
        u, e, s, z = ctx.saved_tensors
        row = grad.unsqueeze(1) / z.clamp(min=1e-30)  # the gradient of s is row * s
        return product(s, e).mul_(row), product(s.T, u * row), product(s.T, row).squeeze(1), None


def step_loss(model: NextMovie, batch: Batch, negatives: np.ndarray, probability: np.ndarray) -> Tensor:
    """The mean over steps of -log softmax of the target among the unseen movies, estimated from a sample.

        loss = mean of -s_target + log(exp s_target + sum over sampled j of exp(s_j) / probability_j)

    The log Q correction makes the sum unbiased (Bengio and Senecal, 2008); with all movies it is the exact softmax. The
    scores s are those of the target's gap; `GAP_WEIGHT` times -log p of the gap is added.

    Args:
        model: the model.
        batch: histories.
        negatives: (n,) int64, the sampled movies.
        probability: (n,), of each of them to be sampled.
    """
    states = model.walk(batch.items).flatten(0, 1).index_select(0, batch.step)
    x = model.inputs(states, batch.situation)
    u = model.vectors(x, batch.gap)  # (n_steps, dim)
    end, bias = F.normalize(model.end), model.bias.unsqueeze(1)
    sampled = torch.from_numpy(negatives)
    correction = torch.from_numpy(np.log(probability)).float()
    e, b = F.embedding(sampled, end), F.embedding(sampled, bias).squeeze(1) - correction
    others = LogSumExp.apply(u, e, b, excluded(batch, negatives, len(end)))
    target = (u * F.embedding(batch.target, end)).sum(dim=1) + F.embedding(batch.target, bias).squeeze(1)
    normal, weight, bias = norm(x), model.when.weight, model.when.bias
    all_gaps = LogSumExp.apply(normal, weight, bias, torch.zeros(1, 1, dtype=torch.bool))
    of_gap = (normal * F.embedding(batch.gap, weight)).sum(dim=1) + F.embedding(batch.gap, bias.unsqueeze(1)).squeeze(1)
    return (torch.logaddexp(target, others) - target + GAP_WEIGHT * (all_gaps - of_gap)).mean()


def warm_up_and_cosine(n_steps: int) -> Callable[[int], float]:
    """The learning rate by step, as a share of its peak: a linear warm-up, then half a cosine down to 0."""
    rising = max(1, int(WARM_UP * n_steps))
    falling = max(n_steps - rising, 1)
    return lambda step: min((step + 1) / rising, (1 + np.cos(np.pi * max(step - rising, 0) / falling)) / 2)


class NextMovieTraining(Training):
    """Training of the next-movie model with Adam, a step for each batch of histories."""

    model: NextMovie

    def __init__(self, model: NextMovie, histories: Histories, valid: sp.csr_matrix, params: Next, *, seed: int):
        """`histories` are of train; `valid`, (n_users, n_items), selects the epoch and the horizon of the targets.

        Raises:
            UserError: no user has two movies.
        """
        self.model, self.histories, self.valid, self.rng = model, histories, valid, np.random.default_rng(seed)
        ones, n_items = np.ones(len(histories.items), np.float32), len(model.end)
        self.train = sp.csr_matrix((ones, histories.items, histories.indptr), shape=(histories.n_users, n_items))
        self.horizon = horizon_of(valid, self.train)
        self.probability = inclusion_probabilities(item_degrees(self.train), params.negatives)
        self.epochs = self.patience = params.epochs
        self.average = {}
        batches = (batches_of_users(histories.lengths, params.batch_steps, self.rng) for _ in range(params.epochs))
        self.plan = list(map(list, batches))
        n_steps = sum(map(len, self.plan))
        if not n_steps:
            raise UserError("no user has two movies in train; use more data or another split_strategy.")
        self.optimizer = torch.optim.Adam(model.parameters(), lr=params.lr, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, warm_up_and_cosine(n_steps))
        self.advice = f"Try a smaller next.lr (it is {params.lr:g}), or a next.temperature of .05 to .5."

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Users of similar lengths."""
        return self.plan[epoch]

    def loss(self, batch: np.ndarray) -> Tensor:
        """The softmax loss of the users' histories."""
        negatives = np.flatnonzero(self.rng.random(len(self.probability)) < self.probability)
        histories = make_batch(self.histories, batch, self.horizon, self.rng)
        return step_loss(self.model, histories, negatives, self.probability[negatives])

    def measure(self) -> dict[str, np.ndarray]:
        """Of rankings without the movies of train."""
        scorer = self.model.scorer(self.histories)
        return evaluate_users(scorer, self.train, self.train, self.valid, cutoffs=[20])
