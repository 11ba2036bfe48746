"""How the part that knows what comes next is trained: a softmax over the movies not seen yet, at each step of each history.

The target of a step is one of the next movies, drawn anew each time: of as many as recommendations are to
serve for. Where just the next one is asked for, it is that one.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from movierec.checkpoints import NO_CHECKPOINT, Checkpoint
from movierec.errors import UserError
from movierec.history import History
from movierec.metrics import users_to_rank
from movierec.next_movie import NextMovie
from movierec.ranking import measure_users
from movierec.sampling import inclusion
from movierec.training import Epoch, Progress

MAX_STEPS = 2048  # of a longer history, training walks the end
WARM_UP = 0.1  # share of the steps in which the step size rises


class NextSettings(NamedTuple):
    """How to train."""

    lr: float  # Adam's largest step size; it rises for a tenth of the steps, then falls to 0 along half a cosine
    epochs: int  # passes over all histories
    batch_steps: int  # movies per batch, about
    negatives: int  # movies that each target is compared with, drawn anew for each batch; about
    seed: int


class Batch(NamedTuple):
    """The histories of some users, side by side."""

    items: torch.Tensor  # (length, n) int64; of shorter histories, the end is padded with 0
    step: torch.Tensor  # (n_steps,) int64, the places in `items`, flattened, after which something comes
    target: torch.Tensor  # (n_steps,) int64, what comes
    histories: list[np.ndarray]  # each user's items; n_steps is the sum of their lengths, less 1 each


def batch_of(past: History, users: np.ndarray, horizon: int, rng: np.random.Generator) -> Batch:
    """The batch of these users, each with two movies or more; a step's target is one of the next `horizon` movies."""
    histories = [past.items[max(past.indptr[u], past.indptr[u + 1] - MAX_STEPS) : past.indptr[u + 1]] for u in users]
    items = np.zeros((max(map(len, histories)), len(users)), np.int64)
    step, target = [], []
    for column, history in enumerate(histories):
        items[: len(history), column] = history
        before = np.arange(len(history) - 1)
        left = np.minimum(horizon, len(history) - 1 - before)
        step.append(before * len(users) + column)
        target.append(history[before + 1 + (rng.random(len(before)) * left).astype(int)])
    return Batch(torch.from_numpy(items), *(torch.from_numpy(np.concatenate(part).astype(np.int64)) for part in (step, target)), histories)


def horizon_of(valid: sp.csr_matrix, seen: sp.csr_matrix) -> int:
    """How many movies ahead recommendations are to serve for: the mean number per user that validation looks for."""
    users = users_to_rank(valid, seen)
    return max(1, round(valid[users].nnz / max(len(users), 1)))


def batches(lengths: np.ndarray, batch_steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Users in groups of about `batch_steps` movies, alike in length, since all are padded to the longest; in random order."""
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


def hidden(batch: Batch, negatives: np.ndarray, n_items: int) -> torch.Tensor:
    """Which negatives are none at a step, as the user has seen them or they are the target: (n_steps, n_negatives) bool."""
    column_of = np.full(n_items, -1)
    column_of[negatives] = np.arange(len(negatives))
    out = torch.zeros(len(batch.target), len(negatives), dtype=torch.bool)
    begin = 0
    for history in batch.histories:
        columns = column_of[history]
        place = np.flatnonzero(columns >= 0)
        steps = torch.arange(len(history) - 1).unsqueeze(1)
        out[begin : begin + len(steps), torch.from_numpy(columns[place])] = steps >= torch.from_numpy(place)
        begin += len(steps)
    columns = torch.from_numpy(column_of[batch.target.numpy()])
    rows = (columns >= 0).nonzero().squeeze(1)
    out[rows, columns[rows]] = True
    return out


class LogSum(torch.autograd.Function):
    """log sum over j of exp s_ij with s = U E^T + b, hidden pairs left out; one matrix of scores, worked on in place."""

    @staticmethod
    def forward(ctx, u: torch.Tensor, e: torch.Tensor, b: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """u (n, dim), e (k, dim), b (k,), hidden (n, k) bool; gives (n,)."""
        s = torch.addmm(b, u, e.T).masked_fill_(hidden, -torch.inf)
        top = s.amax(dim=1, keepdim=True).clamp_(min=-1e30)  # finite where all are hidden
        z = s.sub_(top).exp_().sum(dim=1, keepdim=True)
        ctx.save_for_backward(u, e, s, z)
        return (top + z.log()).squeeze(1)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        u, e, s, z = ctx.saved_tensors
        row = grad.unsqueeze(1) / z.clamp(min=1e-30)  # d/ds is row * s
        return (s @ e).mul_(row), s.T @ (u * row), (s.T @ row).squeeze(1), None


def step_loss(model: NextMovie, batch: Batch, negatives: np.ndarray, probability: np.ndarray) -> torch.Tensor:
    """The mean over steps of -log softmax of the target among all movies not seen, estimated from the negatives.

        loss = mean of -s_target + log(exp s_target + sum over sampled j of exp(s_j) / probability_j)

    The sum has the right expectation, since j is sampled with probability_j (the 'log Q correction' of Bengio
    and Senecal, 2008); where all movies are sampled it is the exact softmax.

    Args:
        model: the model.
        batch: histories.
        negatives: (n,) int64, the movies sampled.
        probability: (n,), with which each of them was.
    """
    states = model.walk(batch.items).flatten(0, 1).index_select(0, batch.step)
    u = model.vectors(states)  # (n_steps, dim)
    end, bias = F.normalize(model.end), model.bias.unsqueeze(1)
    sampled = torch.from_numpy(negatives)
    correction = torch.from_numpy(np.log(probability)).float()
    e, b = F.embedding(sampled, end), F.embedding(sampled, bias).squeeze(1) - correction
    others = LogSum.apply(u, e, b, hidden(batch, negatives, len(end)))
    target = (u * F.embedding(batch.target, end)).sum(dim=1) + F.embedding(batch.target, bias).squeeze(1)
    return (torch.logaddexp(target, others) - target).mean()


def fit_next(
    model: NextMovie,
    past: History,
    valid: sp.csr_matrix,
    seen: sp.csr_matrix,
    settings: NextSettings,
    report: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> list[Epoch]:
    """Train with Adam, a step for each batch of histories.

    Args:
        model: at its start; it holds the best epoch's parameters at the end.
        past: the training interactions.
        valid: (n_users, n_items), decides which epoch is the best, and how far ahead to look.
        seen: (n_users, n_items), the training interactions, left out of the rankings.
        settings: how.
        report: called after each epoch.
        checkpoint: where the state is kept between epochs, if it is.

    Returns:
        The epochs, one after the other.

    Raises:
        UserError: nobody has two movies, the loss is not a number any more, or training did harm.
    """
    rng = np.random.default_rng(settings.seed)
    n_items = len(model.end)
    counts = np.bincount(past.items, minlength=n_items)
    probability = inclusion(counts, settings.negatives)
    horizon = horizon_of(valid, seen)
    plan = [list(batches(past.lengths, settings.batch_steps, rng)) for _ in range(settings.epochs)]
    n_steps = sum(map(len, plan))
    if not n_steps:
        raise UserError("no user has two movies in train, so that nothing says what comes next; use more data, or another split_strategy.")
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
    rising = max(1, int(WARM_UP * n_steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rising, (1 + np.cos(np.pi * max(step - rising, 0) / max(n_steps - rising, 1))) / 2)
    )
    progress = Progress(model, lambda: measure_users(model.scorer(past), seen, seen, valid, [20])[0])
    checkpoint.restore(model, optimizer, schedule, rng, progress)
    for groups in plan[len(progress.history) :]:
        losses = []
        for users in groups:
            negatives = np.flatnonzero(rng.random(n_items) < probability)
            loss = step_loss(model, batch_of(past, users, horizon, rng), negatives, probability[negatives])
            losses.append(progress.step(loss.item(), f"next_lr (it is {settings.lr:g})"))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        report(progress.take(losses))
        checkpoint.write(model, optimizer, schedule, rng, progress)
    progress.restore(f"Try a smaller next_lr (it is {settings.lr:g}), or a next_temperature of .05 to .5.")
    return progress.history
