"""The training loop, and the training of LightGCN."""

import abc
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from movierec.model.checkpoints import Checkpoint
from movierec.model.lightgcn import LightGCN
from movierec.model.progress import MEASURED, Epoch, Progress
from movierec.model.sampling import GROUP, Sampler
from movierec.model.softmax import SampledItems, degrees, softmax_loss, total_weight
from movierec.ranking.metrics import rankable_users
from movierec.ranking.topk import DotScorer, evaluate_users
from movierec.utils.group import ALONE, Group
from movierec.utils.params import Params

CROSSOVER = 2.0  # items per negative, above which the sampled softmax is the cheaper one
FORGETTING = 9  # the average is over about the last tenth of the steps
FEWEST_STEPS = 6  # of an epoch: with few users, batches are smaller than batch_size
FALL = 0.75  # of the temperature
Report = Callable[[Epoch], Any]  # called after each epoch


class Training(abc.ABC):
    """The training of a model: its batches, loss and validation, and the loop over them."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None  # of the learning rate, by step
    temperature: "Temperature | None" = None  # that falls
    rng: np.random.Generator
    epochs: int
    patience: int  # epochs with too little gain on validation, after which training stops
    advice: str  # the end of the message about a training that fails
    group: Group = ALONE
    average: dict[str, Tensor]  # of the parameters, by name; empty where it is not taken

    def state(self) -> dict[str, Tensor]:
        """The parameters that are measured: the model's, or their average."""
        return self.average or self.model.state_dict()

    @abc.abstractmethod
    def batches(self, epoch: int) -> Iterable:
        """The batches of an epoch, from 0."""

    @abc.abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The loss of a batch, or this process's part of it."""

    def finished(self, progress: Progress) -> bool:
        """Whether there is nothing more to gain."""
        return progress.finished(self.epochs, self.patience)

    @abc.abstractmethod
    def measure(self) -> dict[str, np.ndarray]:
        """The `MEASURED` metrics of each validation user, with the parameters of `state`."""

    def run(self, report: Report = lambda epoch: None, checkpoint: Checkpoint | None = None) -> Progress:
        """Train; the model ends with the parameters of the best epoch.

        Raises:
            UserError: the loss is not finite, or training did harm.
        """
        progress, checkpoint = Progress(self.model, self.measure, self.state), checkpoint or Checkpoint()
        state: dict[str, Any] = {"optimizer": self.optimizer}
        state |= {name: of for name in ("schedule", "temperature") if (of := getattr(self, name))}
        checkpoint.restore(self.model, state, self.rng, progress, average=self.average)
        while not self.finished(progress):
            losses: list[float] = []
            for batch in self.batches(len(progress.epochs)):
                loss = self.loss(batch)
                value = float(self.group.concat(np.array([loss.item()])).sum())
                losses.append(progress.step(value, self.advice))
                self.optimizer.zero_grad()
                loss.backward()
                self.group.sum_gradients(self.model)
                self.optimizer.step()
                if self.schedule:
                    self.schedule.step()
            report(progress.end_epoch(losses))
            checkpoint.write(self.model, state, self.rng, progress, average=self.average)
        progress.restore_best(self.advice)
        return progress


class Temperature:
    """The temperature of the softmax."""

    def __init__(self, value: float, falls: bool):
        """The first value; whether it `falls` where training has stopped gaining."""
        self.value, self.falls, self.begun = value, falls, 0  # epochs before this value

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"value": self.value, "begun": self.begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The reverse of `state_dict`."""
        self.value, self.begun = state["value"], state["begun"]


class LightGCNTraining(Training):
    """Training of the graph model with the softmax loss and Adam, at a constant learning rate.

    What is measured and kept is an average of the parameters that forgets the early steps: it does what a decaying
    learning rate does, at any moment, so that training can go on for as long as validation gains. After step t,

        average += (parameter - average) (n + 1) / (t + n),    n = `FORGETTING`

    (polynomial-decay averaging, Shamir and Zhang, ICML 2013, sec. 4).

    Where training has stopped gaining, it goes on from the best epoch with a lower temperature, for as long as this
    gains; a first epoch that does not is the end.

    In distributed training, every process takes all batches with its own users: the sums over users are those of one
    process, up to rounding.
    """

    temperature: Temperature

    def __init__(
        self, model: LightGCN, train: sp.csr_matrix, valid: sp.csr_matrix, params: Params, *, falls: bool = False
    ):
        """`train` has the interactions of the model's graph, `valid` selects the epoch: both (n_users, n_items).

        The temperature of `params` may fall.
        """
        assert params.temperature is not None
        self.temperature = Temperature(params.temperature, falls)
        self.model, self.params, self.group = model, params, model.graph.group
        first, end = model.graph.first, model.graph.end
        self.train, self.valid = (train, valid) if self.group.size == 1 else (train[first:end], valid[first:end])
        degree = np.diff(train.indptr)
        self.users, self.degree = np.flatnonzero(degree), degrees(train)
        self.weight = torch.from_numpy(np.maximum(degree, 1.0) ** -params.user_weight_power).float()  # (n_users,)
        cheaper = train.shape[1] > CROSSOVER * params.negatives
        sampled = params.softmax == "sampled" or (params.softmax == "auto" and cheaper)
        self.sampler = Sampler(train, params.negatives, params.seed, self.group) if sampled else None
        steps = max(-(-len(self.users) // params.batch_size), FEWEST_STEPS)
        self.n_steps = min(steps, params.epoch_steps, len(self.users))  # per epoch
        self.rng, self.epochs, self.patience = np.random.default_rng(params.seed), params.epochs, params.patience
        adam = torch.optim.Adam(model.parameters(), lr=params.lr, weight_decay=params.weight_decay, fused=True)
        self.optimizer = adam
        self.average = {name: value.detach().clone() for name, value in model.named_parameters()}
        adam.register_step_post_hook(lambda *_: self._update_average())
        self.advice = (
            f"Try a smaller lr (it is {params.lr:g}), a temperature of .05 to .5 (it is {params.temperature:g}), "
            f"a smaller weight_decay (it is {params.weight_decay:g}), or more epochs."
        )

    def finished(self, progress: Progress) -> bool:
        """Whether there is nothing more to gain, with this temperature and a lower one."""
        begun = self.temperature.begun
        if not progress.finished(self.epochs, self.patience, begun):
            return False
        if not self.temperature.falls or len(progress.epochs) >= self.epochs or not progress.has_gained(begun):
            if progress.leave_out(begun):
                self.temperature.value /= FALL
            return True
        self.temperature.value *= FALL
        self.temperature.begun = len(progress.epochs)
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                value.copy_(progress.best_state[name])
                self.average[name].copy_(value)
        return False

    def batches(self, epoch: int) -> Iterable[tuple[int, np.ndarray]]:
        """The number of each step, and the users of all processes."""
        return enumerate(np.array_split(self.rng.permutation(self.users), self.n_steps), epoch * self.n_steps)

    def loss(self, batch: tuple[int, np.ndarray]) -> Tensor:
        """The softmax loss of the batch's users."""
        number, users = batch
        graph: Any = self.model.graph
        place = np.flatnonzero((users >= graph.first) & (users < graph.end))  # of this process's users
        rows, sampled = users[place] - graph.first, None
        if self.sampler:
            samples = self.sampler.draw(users, number)
            sampled = SampledItems(samples, np.searchsorted(place, GROUP * np.arange(len(samples) + 1)))
        h_user, h_item = self.model()
        h_user = h_user.index_select(0, torch.from_numpy(rows).to(graph.device)) / self.temperature.value
        weight, total = self.weight[users[place]].to(graph.device), total_weight(self.weight[users], self.degree[users])
        return softmax_loss(h_user, h_item, self.train[rows], weight, total=total, sampled=sampled)

    def _update_average(self) -> None:
        before = self.temperature.begun * self.n_steps
        for name, value in self.model.named_parameters():
            step = float(self.optimizer.state[value]["step"]) - before
            self.average[name].lerp_(value.detach(), (FORGETTING + 1) / (step + FORGETTING))

    def measure(self) -> dict[str, np.ndarray]:
        """Of the users of all processes."""
        with torch.no_grad():
            scorer = DotScorer(*torch.func.functional_call(self.model, self.average, ()))
        measured = {name: np.empty(0) for name in MEASURED}
        if self.group.size == 1 or len(rankable_users(self.valid, self.train)):
            measured = evaluate_users(scorer, self.train, self.train, self.valid, cutoffs=[20])
        return {name: self.group.concat(measured[name]) for name in MEASURED}
