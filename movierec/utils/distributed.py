"""Several processes, by PyTorch's own engine; the only file that imports torch.distributed."""

import datetime
import io
import os
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from movierec.utils.errors import UserError
from movierec.utils.group import Group, by_user

MAX_RESTARTS = 3  # of all processes, when one dies


class Processes(Group):
    """Several processes. Sums over users are exchanged: messages to items, the loss, and gradients."""

    def sum(self, part: Tensor) -> Tensor:
        """Its gradient is a sum too, as the loss of each process is a part of the whole loss."""
        return all_reduce(part)

    def sum_gradients(self, model: nn.Module) -> None:
        """See `Group`, as for all methods."""
        for name, parameter in model.named_parameters():
            if name not in by_user(model):
                dist.all_reduce(parameter.grad)

    def gather(self, own: Tensor, everywhere: bool = True) -> list[Tensor]:
        """The tensors (n, ...) of all processes, in order, for any n; empty where they are not gathered."""
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(own)]))
        padded = torch.zeros((int(max(lengths)), *own.shape[1:]), dtype=own.dtype)  # all must have one shape
        padded[: len(own)] = own
        parts = [torch.zeros_like(padded) for _ in range(self.size)] if everywhere or self.leads else None
        dist.all_gather(parts, padded) if everywhere else dist.gather(padded, parts)
        return [part[: int(n)] for part, n in zip(parts or [], lengths, strict=False)]

    def concat(self, own: np.ndarray) -> np.ndarray:
        """Of any lengths."""
        return torch.cat(self.gather(torch.from_numpy(np.ascontiguousarray(own)))).numpy()

    def rows(self, own: Tensor) -> Tensor | None:
        """Gathered by the leader alone."""
        parts = self.gather(own.detach().cpu().contiguous(), everywhere=False)
        return torch.cat(parts) if parts else None

    def from_leader(self, tensor: Tensor) -> Tensor:
        """In place."""
        dist.broadcast(tensor, 0)
        return tensor

    def arrays_from_leader(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """As the bytes of an npz file."""
        box = io.BytesIO()
        if self.leads:
            np.savez(box, **arrays)
        length = int(self.from_leader(torch.tensor([box.tell()])))
        content = self.from_leader(torch.frombuffer(bytearray(box.getvalue() or length), dtype=torch.uint8))
        with np.load(io.BytesIO(content.numpy().tobytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def join(device: str, processes: int) -> Processes:
    """Join the processes that work together.

    Under torchrun (`torchrun --nproc-per-node=2 stages/train.py`) they communicate by Gloo, or by NCCL between GPUs.
    Otherwise the script is started again in as many processes as are wanted, and this one exits as they do. When a
    process dies, torchrun restarts all of them from the last checkpoint.

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
        return Processes(dist.get_rank(), dist.get_world_size(), local_size)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // processes, 1)))
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as stopped:
        # An error that a person can fix is reported once and not retried: see `stages/_stage.py`.
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [*torchrun, f"--max-restarts={MAX_RESTARTS}", str(sys.modules["__main__"].__file__), *sys.argv[1:]]
        # Without the second, restarted processes find their predecessors' addresses in the store, and wait for them.
        extra = {"MOVIEREC_STOPPED": stopped.name, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        done = subprocess.run(command, env=os.environ | extra)
        sys.exit(stopped.read() or done.returncode)
