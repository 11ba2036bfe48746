"""Work in several processes, by PyTorch's own engine; the only file that imports torch.distributed.

In training, each process holds the embeddings, the optimiser state and the interactions of a range of users, and the
embeddings of all items. Only sums over users are exchanged: messages to items, the loss, and the gradient of the item
embeddings. Afterwards, each process ranks and evaluates a share of the users.
"""

import datetime
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist
from torch import Tensor, nn

from movierec.utils.errors import UserError

T = TypeVar("T")
MAX_RESTARTS = 3  # of all processes, when one dies


class Group:
    """The processes that work together, seen from one of them. With one process, each method returns its argument."""

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

    def sum(self, part: Tensor) -> Tensor:
        """The sum over the processes, differentiable; each holds the part of the gradient from its own users."""
        return part if self.size == 1 else _AllReduce.apply(part)

    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of the parameters that all processes hold."""
        for name, parameter in model.named_parameters() if self.size > 1 else ():
            if name not in by_user(model):
                dist.all_reduce(parameter.grad)

    def gather(self, own: Tensor, everywhere: bool = True) -> list[Tensor]:
        """The tensors (n, ...) of all processes, in order, for any n; empty where they are not gathered."""
        if self.size == 1:
            return [own]
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(own)]))
        padded = torch.zeros((int(max(lengths)), *own.shape[1:]), dtype=own.dtype)  # all must have one shape
        padded[: len(own)] = own
        parts = [torch.zeros_like(padded) for _ in range(self.size)] if everywhere or self.leads else None
        dist.all_gather(parts, padded) if everywhere else dist.gather(padded, parts)
        return [part[: int(n)] for part, n in zip(parts or [], lengths, strict=False)]

    def concat(self, own: np.ndarray) -> np.ndarray:
        """The arrays of all processes, one after another, in each of them."""
        return own if self.size == 1 else torch.cat(self.gather(torch.from_numpy(np.ascontiguousarray(own)))).numpy()

    def rows(self, own: Tensor) -> Tensor | None:
        """The rows of all users, on the CPU of the leading process; None in the others."""
        parts = self.gather(own.detach().cpu().contiguous(), everywhere=False)
        return torch.cat(parts) if self.size > 1 and parts else next(iter(parts), None)

    def from_leader(self, tensor: Tensor) -> Tensor:
        """The leader's CPU tensor, in place of one of the same shape."""
        if self.size > 1:
            dist.broadcast(tensor, 0)
        return tensor

    def arrays_from_leader(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The leader's arrays, by name; nothing is pickled."""
        if self.size == 1:
            return arrays
        box = io.BytesIO()
        if self.leads:
            np.savez(box, **arrays)
        length = int(self.from_leader(torch.tensor([box.tell()])))
        content = self.from_leader(torch.frombuffer(bytearray(box.getvalue() or length), dtype=torch.uint8))
        with np.load(io.BytesIO(content.numpy().tobytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


ALONE = Group()


def by_user(model: nn.Module) -> tuple[str, ...]:
    """The names of a model's parameters that have a row per user, of which a process holds those of its own users."""
    return getattr(model, "BY_USER", ())


class _AllReduce(torch.autograd.Function):
    """A sum over the processes. Its gradient is a sum too, as the loss of each process is a part of the whole loss."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


def join(device: str, processes: int) -> Group:
    """Join the processes that work together.

    Under torchrun (`torchrun --nproc-per-node=2 stages/train.py`) they communicate by Gloo, or by NCCL between GPUs.
    Otherwise, if several processes are wanted on this machine, the script is started again in that many, and this
    process exits as they do. When a process dies, torchrun restarts all of them from the last checkpoint.

    Raises:
        UserError: there are fewer GPUs than processes.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local_size = int(os.environ["LOCAL_WORLD_SIZE"])
        if device == "cuda":
            n_gpus = torch.cuda.device_count()
            if int(os.environ["LOCAL_RANK"]) >= n_gpus:
                raise UserError(f"{local_size} processes need a GPU each, but torch sees {n_gpus} here; start fewer.")
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # No timeout while the leader works alone: torchrun notices a process that dies.
        timeout = datetime.timedelta(days=1)
        dist.init_process_group("cuda:nccl,cpu:gloo" if device == "cuda" else "gloo", timeout=timeout)
        return Group(dist.get_rank(), dist.get_world_size(), local_size)
    if processes == 1:
        return ALONE
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // processes, 1)))
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as stopped:
        # An error that a person can fix is reported once and not retried: see `stages/_stage.py`.
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [*torchrun, f"--max-restarts={MAX_RESTARTS}", str(sys.modules["__main__"].__file__), *sys.argv[1:]]
        # Without the second, restarted processes find their predecessors' addresses in the store, and wait for them.
        extra = {"MOVIEREC_STOPPED": stopped.name, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        done = subprocess.run(command, env=os.environ | extra)
        sys.exit(stopped.read() or done.returncode)
