"""Several processes that train one model together: what each holds, and the sums over all of them. The only file that imports torch.distributed.

Users are divided: a process ("rank") holds the embeddings, the optimiser's state and the interactions of its own
users, a range of them. Movies are not: every rank holds all of their embeddings. Sums over users (messages to
movies, the loss, the movies' gradient) are added up over the ranks; nothing else travels.
"""

import datetime
import os
import subprocess
import sys
import tempfile

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist

from movierec.errors import UserError

MAX_RESTARTS = 3  # of all processes, where one dies


class Ranks:
    """This process among those that train together. Alone, every method gives back what it is given."""

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1):
        """
        Args:
            rank: of this process, from 0.
            size: processes in all.
            local_size: processes on this machine.
        """
        self.rank, self.size, self.local_size = rank, size, local_size

    @property
    def leads(self) -> bool:
        """Whether this is the rank that speaks, writes files, and does what is done once."""
        return self.rank == 0

    def range_of(self, rows: sp.csr_matrix) -> tuple[int, int]:
        """First and last (exclusive) of this rank's users: ranges with about the same number of interactions each.

        Args:
            rows: (n_users, n_items), the interactions.
        """
        cuts = np.searchsorted(rows.indptr, rows.nnz * np.arange(1, self.size) / self.size)
        bounds = [0, *cuts.tolist(), rows.shape[0]]
        return bounds[self.rank], bounds[self.rank + 1]

    def sum(self, part: torch.Tensor) -> torch.Tensor:
        """The sum of all ranks' tensors, on each of them, with a gradient.

        What is the same on all ranks has, on each, the part of the gradient that comes through its own users.
        """
        return part if self.size == 1 else SumOverRanks.apply(part)

    def sum_gradient(self, parameter: torch.Tensor) -> None:
        """Make the gradient of a parameter that all ranks hold whole, of which each has a part."""
        if self.size > 1:
            dist.all_reduce(parameter.grad)

    def each(self, own: np.ndarray) -> list[np.ndarray]:
        """Every rank's array, (n, ...) of any n, in their order, on each of them."""
        if self.size == 1:
            return [own]
        own = torch.from_numpy(np.ascontiguousarray(own))
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(own)]))
        padded = torch.zeros((int(max(lengths)), *own.shape[1:]), dtype=own.dtype)  # all must be of one shape
        padded[: len(own)] = own
        all_of_them = [torch.zeros_like(padded) for _ in range(self.size)]
        dist.all_gather(all_of_them, padded)
        return [of[: int(n)].numpy() for of, n in zip(all_of_them, lengths)]

    def total(self, number: float) -> float:
        """The sum of a number over the ranks, in float64, the same bits on each."""
        return number if self.size == 1 else float(np.concatenate(self.each(np.array([number]))).sum())

    def rows(self, own: torch.Tensor) -> torch.Tensor | None:
        """All users' rows on the rank that leads, on the CPU, from each rank's own; None on the others."""
        own = own.detach().cpu().contiguous()
        if self.size == 1:
            return own
        if not self.leads:
            dist.send(torch.tensor([len(own)]), 0)
            dist.send(own, 0)
            return None
        parts = [own]
        for rank in range(1, self.size):
            length = torch.zeros(1, dtype=torch.int64)
            dist.recv(length, rank)
            parts.append(torch.empty((int(length), *own.shape[1:]), dtype=own.dtype))
            dist.recv(parts[-1], rank)
        return torch.cat(parts)

    def from_leader(self, thing: torch.Tensor) -> torch.Tensor:
        """The leader's tensor, on the CPU, in place of one of the same shape."""
        if self.size > 1:
            dist.broadcast(thing, 0)
        return thing

    def bytes_from_leader(self, content: bytes) -> bytes:
        """What the leader has."""
        if self.size == 1:
            return content
        length = self.from_leader(torch.tensor([len(content)]))
        box = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.leads and content else torch.empty(int(length), dtype=torch.uint8)
        return self.from_leader(box).numpy().tobytes() if int(length) else b""

    def wake_all_threads(self) -> None:
        """For what one rank does while the others on its machine wait."""
        torch.set_num_threads(torch.get_num_threads() * self.local_size)


ALONE = Ranks()


class SumOverRanks(torch.autograd.Function):
    """The sum of all ranks' tensors; so is its gradient, as each rank's loss is a part of the whole one."""

    @staticmethod
    def forward(ctx, part: torch.Tensor) -> torch.Tensor:
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> torch.Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


def join(device: str, processes: int) -> Ranks:
    """This process among those that train together.

    Under torchrun (`torchrun --nproc-per-node=2 stages/train.py`) it meets the others, by Gloo, or by NCCL between GPUs.
    Else, where several processes are wanted, the script is run again in that many, and this process waits and ends as
    they do; a process that dies makes torchrun start all of them anew, from their last checkpoint.

    Args:
        device: cpu or cuda.
        processes: wanted, on this machine.

    Raises:
        UserError: there are fewer GPUs.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if device == "cuda":
            if int(os.environ["LOCAL_RANK"]) >= torch.cuda.device_count():
                raise UserError(f"{os.environ['LOCAL_WORLD_SIZE']} processes want a GPU each, but torch sees {torch.cuda.device_count()} here; start fewer.")
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # Who waits while the leader does what is done once must not give up; a process that dies is torchrun's to notice.
        dist.init_process_group("cuda:nccl,cpu:gloo" if device == "cuda" else "gloo", timeout=datetime.timedelta(days=1))
        return Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_WORLD_SIZE"]))
    if processes == 1:
        return ALONE
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // processes, 1)))
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as stopped:
        # What a person has to mend is said once, and not tried again: see `stages/_stage.py`.
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", f"--max-restarts={MAX_RESTARTS}"]
        # Without the second, processes that are started anew find the addresses of those before them in the store, and wait for these for ever.
        environment = os.environ | {"MOVIEREC_STOPPED": stopped.name, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        done = subprocess.run([*command, sys.modules["__main__"].__file__, *sys.argv[1:]], env=environment)
        sys.exit(stopped.read() or done.returncode)
