"""The progress of a training: its epochs, the best of them on validation, and whether it did harm."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import ttest_rel
from torch import Tensor, nn

from movierec.utils.errors import UserError

SELECTED_BY = "ndcg@20"  # the validation metric that selects the epoch
MEASURED = (SELECTED_BY, "recall@20")  # on validation, after each epoch
GAIN = 0.005  # of validation NDCG@20, relative: less of it is not worth the time of `patience` epochs


class Epoch(NamedTuple):
    """A row of the training log."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's steps
    valid_ndcg: float  # NDCG@20
    valid_recall: float  # Recall@20


class Progress:
    """The epochs so far, and the parameters of the best one by validation NDCG@20; the initial state is epoch 0."""

    def __init__(
        self, model: nn.Module, measure: Callable[[], dict[str, np.ndarray]], state: Callable[[], dict[str, Tensor]]
    ):
        """`measure` gives the `MEASURED` metrics of each validation user, with the parameters of `state` then."""
        self.model, self.measure, self._state = model, measure, state
        self.epochs: list[Epoch] = []
        self.best_state: dict[str, Tensor] = {}
        self._first_loss = np.nan
        self._at_start = self._at_best = measure()[SELECTED_BY]  # (n_users,)

    @property
    def start_ndcg(self) -> float:
        """Validation NDCG@20 before the first step."""
        return float(self._at_start.mean())

    @property
    def best(self) -> Epoch:
        """The best epoch; of equals, the first."""
        return max(self.epochs, key=lambda epoch: epoch.valid_ndcg)

    def finished(self, epochs: int, patience: int, begun: int = 0) -> bool:
        """Whether all epochs are done, or the last `patience` ones raised the best NDCG@20 by less than `GAIN`.

        They are counted from where so many epochs had `begun`; the first one after these must raise it, too.
        """
        n = len(self.epochs)
        if begun and n == begun + 1:
            return n >= epochs or self.best.epoch < n
        return n >= epochs or (n - patience >= max(begun, 1) and not self.has_gained(n - patience))

    def has_gained(self, begun: int) -> bool:
        """Whether the epochs after the first ones, which had `begun`, raised the best NDCG@20 by `GAIN`."""
        before = max((epoch.valid_ndcg for epoch in self.epochs[:begun]), default=-np.inf)
        return self.best.valid_ndcg > before * (1 + GAIN)

    def leave_out(self, begun: int) -> bool:
        """Forget the epochs after the first ones, which had `begun`, if the best one is not among them."""
        is_useless = 0 < self.best.epoch <= begun
        if is_useless:
            del self.epochs[begun:]
        return is_useless

    def step(self, loss: float, advice: str) -> float:
        """Record the loss of a step; a UserError that ends with the advice if it is not finite."""
        if not np.isfinite(loss):
            raise UserError(f"the loss became {loss} in epoch {len(self.epochs) + 1}. {advice}")
        self._first_loss = loss if np.isnan(self._first_loss) else self._first_loss
        return loss

    def end_epoch(self, losses: list[float]) -> Epoch:
        """Evaluate an epoch that is over."""
        measured = self.measure()
        ndcg, recall = (float(measured[name].mean()) for name in MEASURED)
        epoch = Epoch(len(self.epochs) + 1, float(np.mean(losses)), ndcg, recall)
        if not self.epochs or epoch.valid_ndcg > self.best.valid_ndcg:
            self._at_best = measured[SELECTED_BY]
            self.best_state = {name: value.clone() for name, value in self._state().items()}
        self.epochs.append(epoch)
        return epoch

    def arrays(self) -> dict[str, Any]:
        """All but `best_state`, for a checkpoint."""
        log = np.array(self.epochs)
        return {"log": log, "at_start": self._at_start, "at_best": self._at_best, "first_loss": self._first_loss}

    def resume(self, arrays: dict[str, np.ndarray], best_state: dict[str, Tensor]) -> None:
        """The reverse of `arrays`."""
        self.epochs = [Epoch(int(number), *values) for number, *values in arrays["log"].tolist()]
        self._at_start, self._at_best = arrays["at_start"], arrays["at_best"]
        self._first_loss, self.best_state = float(arrays["first_loss"]), best_state

    def restore_best(self, advice: str) -> None:
        """Give the model the best epoch's parameters; a UserError that ends with the advice if training did harm.

        It did if no epoch is as good as the initial state, and either the loss rose or the difference is significant
        over users (paired t-test, p < .01).
        """
        last = self.epochs[-1].loss
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # equal differences have no variance
            worse = ttest_rel(self._at_best, self._at_start, alternative="less").pvalue < 0.01
        if self.best.valid_ndcg < self.start_ndcg and (last > self._first_loss or worse):
            raise UserError(
                f"training made the model worse: validation NDCG@20 was {self.start_ndcg:.4f} at the start and "
                f"{self.best.valid_ndcg:.4f} at best in {len(self.epochs)} epochs, while the loss went from "
                f"{self._first_loss:.6g} to {last:.6g}. {advice}"
            )
        self.model.load_state_dict(self.best_state)
