"""The processes that work together, seen from one of them. This file does without torch, which takes a second to load.

In training, each process holds the embeddings, the optimiser state and the interactions of a range of users, and the
embeddings of all items. Afterwards, each process ranks and evaluates a share of the users.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")


class Group:
    """One process alone, whose exchanges return their argument; `distributed.Processes` are several."""

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1):
        """The rank of this process, the number of processes, and their number on this machine."""
        self.rank, self.size, self.local_size = rank, size, local_size
        self.leads = rank == 0  # this process prints, writes files, and does what is done once

    def user_range(self, rows: sp.csr_matrix) -> tuple[int, int]:
        """The first and last (exclusive) user of this process: equal shares of the interactions, (n_users, n_items)."""
        cuts = np.searchsorted(rows.indptr, rows.nnz * np.arange(1, self.size) / self.size)
        bounds = [0, *cuts.tolist(), rows.shape[0]]
        return bounds[self.rank], bounds[self.rank + 1]

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """The parts of a job that this process does: consecutive ones."""
        first, end = (len(parts) * rank // self.size for rank in (self.rank, self.rank + 1))
        return parts[first:end]

    def sum(self, part: "Tensor") -> "Tensor":
        """The sum over the processes, differentiable; each holds the part of the gradient from its own users."""
        return part

    def sum_gradients(self, model: "nn.Module") -> None:
        """Add up the gradients of the parameters that all processes hold."""

    def concat(self, own: np.ndarray) -> np.ndarray:
        """The arrays of all processes, one after another, in each of them."""
        return own

    def rows(self, own: "Tensor") -> "Tensor | None":
        """The rows of all users, on the CPU of the leading process; None in the others."""
        return own.detach().cpu().contiguous()

    def from_leader(self, tensor: "Tensor") -> "Tensor":
        """The leader's CPU tensor, in place of one of the same shape."""
        return tensor

    def arrays_from_leader(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The leader's arrays, by name; nothing is pickled."""
        return arrays


ALONE = Group()


def by_user(model: "nn.Module") -> tuple[str, ...]:
    """The names of a model's parameters that have a row per user, of which a process holds those of its own users."""
    return getattr(model, "BY_USER", ())
