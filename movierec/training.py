"""The training loop: epochs, the best of them by validation, and when to stop."""

import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.stats import ttest_rel
from torch import nn

from movierec.checkpoints import NO_CHECKPOINT, Checkpoint
from movierec.errors import UserError
from movierec.lightgcn import LightGCN
from movierec.metrics import users_to_rank
from movierec.ranking import DotScorer, measure_users
from movierec.sampling import GROUP, Sampler
from movierec.softmax import Sampled, softmax_loss, total_weight

SELECT_ON = "ndcg@20"  # the validation metric that picks the epoch
MEASURED = (SELECT_ON, "recall@20")  # on validation, after each epoch
CROSSOVER = 2.0  # items over negatives, above which sampling costs less than all items do


class Settings(NamedTuple):
    """How to train."""

    temperature: float  # of the softmax
    user_weight_power: float  # an interaction weighs its user's degree ^ -this
    lr: float  # Adam's first step size; it falls to 0 along half a cosine
    weight_decay: float  # L2 penalty
    batch_size: int  # users per step; the whole graph is propagated in each
    epochs: int  # passes over all users
    patience: int  # epochs without a better validation NDCG@20, then it stops
    seed: int  # of the users' order, and of the samples
    epoch_steps: int = 8  # steps per epoch, at most: with more users than `batch_size` times this, batches grow
    softmax: str = "auto"  # exact, sampled, or auto: what costs less
    negatives: int = 4096  # items in a sample, about


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
        self._at_best, self.best_state, self._first_loss = None, None, None

    def over(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or so many have been no better than the best."""
        return len(self.history) >= epochs or (self.best is not None and len(self.history) - self.best.epoch >= patience)

    def step(self, value: float, lr: str) -> float:
        """Note a step's loss.

        Raises:
            UserError: it is none any more; `lr` says which step size to lower, and what it is.
        """
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
            self.best_state = {name: value.clone() for name, value in self.model.state_dict().items()}
        return epoch

    def arrays(self) -> dict[str, np.ndarray]:
        """All but `best_state`, for a checkpoint."""
        return {"history": np.array(self.history), "at_start": self._at_start, "at_best": self._at_best, "first_loss": self._first_loss}

    def resume(self, arrays: dict[str, np.ndarray], best_state: dict[str, torch.Tensor]) -> None:
        """The reverse of `arrays`."""
        self.history = [Epoch(int(number), *values) for number, *values in arrays["history"].tolist()]
        self._at_start, self._at_best, self._first_loss = arrays["at_start"], arrays["at_best"], float(arrays["first_loss"])
        self.start_ndcg, self.best_state = float(self._at_start.mean()), best_state
        self.best = max(self.history, key=lambda epoch: epoch.valid_ndcg)  # the first of equals, as `take` has it

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
        self.model.load_state_dict(self.best_state)


def samples_cost_less(n_items: int, negatives: int) -> bool:
    """Whether the sampled softmax is the cheaper one: a sample brings work of its own, as much as some thousand items more."""
    return n_items > CROSSOVER * negatives


def fit(
    model: LightGCN,
    train: sp.csr_matrix,
    valid: sp.csr_matrix,
    settings: Settings,
    report: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Fitted:
    """Train with Adam, a step for each batch of users.

    Where several processes train (the model's graph says so), each takes the steps of all batches with its own users in them:
    the sums are those of one process, but for rounding.

    Args:
        model: at its start; it holds the best epoch's embeddings at the end.
        train: (n_users, n_items), the interactions of the model's graph.
        valid: (n_users, n_items), decides which epoch is the best.
        settings: how.
        report: called after each epoch.
        checkpoint: where the state is kept between epochs, if it is.

    Raises:
        UserError: the loss is not a number any more, or training did harm.
    """
    began = time.perf_counter()
    ranks, first, end, device = model.graph.ranks, model.graph.first, model.graph.end, model.graph.device
    degree = np.diff(train.indptr)
    users = np.flatnonzero(degree)
    n_steps = min(-(-len(users) // settings.batch_size), settings.epoch_steps)
    weight = torch.from_numpy(np.maximum(degree, 1.0) ** -settings.user_weight_power).float()  # (n_users,)
    degree = torch.from_numpy(degree.astype(np.float32))
    own, own_valid = (train, valid) if ranks.size == 1 else (train[first:end], valid[first:end])
    sampler = None
    if settings.softmax == "sampled" or settings.softmax == "auto" and samples_cost_less(train.shape[1], settings.negatives):
        sampler = Sampler(train, settings.negatives, settings.seed, ranks)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs * n_steps)
    rng = np.random.default_rng(settings.seed)

    def measure() -> dict[str, np.ndarray]:
        with torch.no_grad():
            scorer = DotScorer(*model())
        measured = {name: np.empty(0) for name in MEASURED}
        if ranks.size == 1 or len(users_to_rank(own_valid, own)):
            measured = measure_users(scorer, own, own, own_valid, [20])[0]
        return {name: np.concatenate(ranks.each(measured[name])) for name in MEASURED}

    progress = Progress(model, measure)
    checkpoint.restore(model, optimizer, schedule, rng, progress)
    while not progress.over(settings.epochs, settings.patience):
        losses = []
        for batch in np.array_split(rng.permutation(users), n_steps):
            samples = sampler.draw(batch, len(progress.history) * n_steps + len(losses)) if sampler else None
            total = total_weight(weight[batch], degree[batch])
            place = np.flatnonzero((batch >= first) & (batch < end))  # of this process' users
            mine = batch[place]
            sampled = sampler and Sampled(samples, np.searchsorted(place, GROUP * np.arange(len(samples) + 1)))
            rows = torch.from_numpy(mine - first).to(device)
            h_user, h_item = model()
            h_user = h_user.index_select(0, rows) / settings.temperature
            loss = softmax_loss(h_user, h_item, own[mine - first], weight[mine].to(device), total=total, sampled=sampled)
            losses.append(progress.step(ranks.total(loss.item()), f"lr (it is {settings.lr:g})"))
            optimizer.zero_grad()
            loss.backward()
            ranks.sum_gradient(model.item_embedding)
            optimizer.step()
            schedule.step()
        report(progress.take(losses))
        checkpoint.write(model, optimizer, schedule, rng, progress)
    progress.restore(
        f"Try a smaller lr (it is {settings.lr:g}), a temperature of .05 to .5 (it is {settings.temperature:g}), "
        f"a smaller weight_decay (it is {settings.weight_decay:g}), or more epochs."
    )
    return Fitted(progress.history, progress.best, progress.start_ndcg, time.perf_counter() - began)
