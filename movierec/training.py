"""The objective, the exact softmax over all items, and the training loop."""

import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.stats import ttest_rel
from torch import nn

from movierec.errors import UserError
from movierec.lightgcn import LightGCN
from movierec.ranking import dot_scorer, measure_users, pairs

CHUNK = 512  # users whose scores exist at one time
SELECT_ON = "ndcg@20"  # the validation metric that picks the epoch


class SoftmaxLoss(torch.autograd.Function):
    """A batch's weighted mean of -log softmax over its interactions, with its gradient computed by hand.

        loss = -1/W sum over (u, i) of w_u [s_ui - log sum_j exp s_uj],    s = U I^T
        d loss / d s_uj = w_u (n_u softmax(s_u)_j - [j is one of u's items]) / W

    where u has n_u items, and W = sum of w_u n_u. Users are taken in chunks, each chunk's scores are turned
    into their gradient in place and multiplied out at once: the score matrix never exists whole.
    """

    @staticmethod
    def forward(ctx, h_user: torch.Tensor, h_item: torch.Tensor, items: sp.csr_matrix, weight: torch.Tensor, chunk: int) -> torch.Tensor:
        """
        Args:
            h_user: (n, dim) float32.
            h_item: (n_items, dim) float32.
            items: (n, n_items), the interactions of the n users.
            weight: (n,) float32, of each of a user's interactions.
            chunk: users at one time.

        Returns:
            () float32.
        """
        grad_user, grad_item = torch.empty_like(h_user), torch.zeros_like(h_item)
        n_items = torch.from_numpy(np.diff(items.indptr).astype(np.float32)).to(h_user.device)
        share = weight / float((weight * n_items).cpu().numpy().sum(dtype=np.float64))  # (n,), numpy: one order of summing
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

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        grad_user, grad_item = ctx.saved_tensors
        return grad_user * grad, grad_item * grad, None, None, None


def softmax_loss(
    h_user: torch.Tensor, h_item: torch.Tensor, items: sp.csr_matrix, weight: torch.Tensor, chunk: int = CHUNK
) -> torch.Tensor:
    """See `SoftmaxLoss`."""
    return SoftmaxLoss.apply(h_user, h_item, items, weight, chunk)


class Settings(NamedTuple):
    """How to train."""

    temperature: float  # of the softmax
    user_weight_power: float  # an interaction weighs its user's degree ^ -this
    lr: float  # Adam's first step size; it falls to 0 along half a cosine
    weight_decay: float  # L2 penalty
    batch_size: int  # users per step; the whole graph is propagated in each
    epochs: int  # passes over all users
    patience: int  # epochs without a better validation NDCG@20, then it stops
    seed: int  # of the users' order


class Epoch(NamedTuple):
    """A row of the history."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's batches
    valid_ndcg: float  # NDCG@20 of the graph model alone
    valid_recall: float  # Recall@20


class Fitted(NamedTuple):
    """What `fit` returns."""

    history: list[Epoch]
    best: Epoch
    start_ndcg: float  # validation NDCG@20 before the first step
    seconds: float  # of training, evaluation included


class Progress:
    """The epochs so far, the best of them by validation NDCG@20, and the parameters that it had; the start counts as epoch 0."""

    def __init__(self, model: nn.Module, measure: Callable[[], dict[str, np.ndarray]]):
        """
        Args:
            model: at its start.
            measure: each validation user's metrics, as `ranking.measure_users` gives them, with the model as it then is.
        """
        self.model, self.measure = model, measure
        self.history: list[Epoch] = []
        self.best: Epoch | None = None
        self._at_start = measure()[SELECT_ON]  # (n_users,)
        self.start_ndcg = float(self._at_start.mean())
        self._at_best, self._state, self._first_loss = None, None, None

    def step(self, loss: torch.Tensor, lr: str) -> float:
        """Note a step's loss, and give it as a number.

        Raises:
            UserError: it is none any more; `lr` says which step size to lower, and what it is.
        """
        value = loss.item()
        if not np.isfinite(value):
            raise UserError(f"the loss became {value} in epoch {len(self.history) + 1}; try a smaller {lr}, or a higher temperature.")
        self._first_loss = value if self._first_loss is None else self._first_loss
        return value

    def take(self, losses: list[float]) -> Epoch:
        """Measure an epoch that is over."""
        measured = self.measure()
        epoch = Epoch(len(self.history) + 1, float(np.mean(losses)), float(measured[SELECT_ON].mean()), float(measured["recall@20"].mean()))
        self.history.append(epoch)
        if self.best is None or epoch.valid_ndcg > self.best.valid_ndcg:
            self.best, self._at_best = epoch, measured[SELECT_ON]
            self._state = {name: value.clone() for name, value in self.model.state_dict().items()}
        return epoch

    def restore(self, advice: str) -> None:
        """Give the model the best epoch's parameters.

        Raises:
            UserError: training did harm: no epoch is as good as the start, and the loss rose or the difference is more
                than chance between users would give (t-test, p < .01); it says what was seen, and the advice.
        """
        rose = self.history[-1].loss > self._first_loss
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # one user, or all lose as much: there is no spread
            worse = ttest_rel(self._at_best, self._at_start, alternative="less").pvalue < 0.01
        if self.best.valid_ndcg < self.start_ndcg and (rose or worse):
            raise UserError(
                f"training made the model worse: validation NDCG@20 was {self.start_ndcg:.4f} at the start and {self.best.valid_ndcg:.4f} at "
                f"best in {len(self.history)} epochs, while the loss went from {self._first_loss:.6g} to {self.history[-1].loss:.6g}. {advice}"
            )
        self.model.load_state_dict(self._state)


def fit(
    model: LightGCN, train: sp.csr_matrix, valid: sp.csr_matrix, settings: Settings, report: Callable[[Epoch], None] = lambda epoch: None
) -> Fitted:
    """Train with Adam, a step for each batch of users.

    Args:
        model: at its start; it holds the best epoch's embeddings at the end.
        train: (n_users, n_items), the interactions of the model's graph.
        valid: (n_users, n_items), decides which epoch is the best.
        settings: how.
        report: called after each epoch.

    Raises:
        UserError: the loss is not a number any more, or training did harm.
    """
    began = time.perf_counter()
    degree = np.diff(train.indptr)
    users = np.flatnonzero(degree)
    n_steps = -(-len(users) // settings.batch_size)
    weight = torch.from_numpy(np.maximum(degree, 1.0) ** -settings.user_weight_power).float().to(model.graph.device)  # (n_users,)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs * n_steps)
    rng = np.random.default_rng(settings.seed)

    def measure() -> dict[str, np.ndarray]:
        with torch.no_grad():
            return measure_users(dot_scorer(*model()), train, train, valid, [20])[0]

    progress = Progress(model, measure)
    for number in range(1, settings.epochs + 1):
        losses = []
        for batch in np.array_split(rng.permutation(users), n_steps):
            index = torch.from_numpy(batch).to(model.graph.device)
            h_user, h_item = model()
            loss = softmax_loss(h_user.index_select(0, index) / settings.temperature, h_item, train[batch], weight[index])
            losses.append(progress.step(loss, f"lr (it is {settings.lr:g})"))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        report(progress.take(losses))
        if number - progress.best.epoch >= settings.patience:
            break
    progress.restore(
        f"Try a smaller lr (it is {settings.lr:g}), a temperature of .05 to .5 (it is {settings.temperature:g}), "
        f"a smaller weight_decay (it is {settings.weight_decay:g}), or more epochs."
    )
    return Fitted(progress.history, progress.best, progress.start_ndcg, time.perf_counter() - began)
