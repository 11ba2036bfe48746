"""A training's state between two epochs, on disk: one that is killed goes on from there, and ends with the same bytes."""

import contextlib
import hashlib
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from movierec.edges import GraphArrays
from movierec.errors import UserError
from movierec.history import History
from movierec.ranks import ALONE, Ranks
from movierec.storage import read_arrays, write_arrays


class Checkpoint:
    """The state of one training. Only the rank that leads reads and writes the file; any number of ranks can go on from it."""

    def __init__(self, path: Path | None = None, every: int = 0, of: str = "", ranks: Ranks = ALONE):
        """
        Args:
            path: the file, ending in .npz; None where no state is kept.
            every: epochs from one writing to the next; 0 for none.
            of: what is trained, and on what, as `fingerprint` has it; a file of another training is not used.
            ranks: the processes that train together.
        """
        self._path, self._every, self._of, self._ranks = path, every, of, ranks

    def write(self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule, rng: np.random.Generator, progress) -> None:
        """Keep the state after an epoch, if it is due.

        Args:
            model, optimizer, schedule, rng: as they are then.
            progress: `training.Progress`.
        """
        if not self._every or len(progress.history) % self._every:
            return
        tensors = {f"parameter.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in progress.best_state.items()}
        for name, parameter in model.named_parameters():
            tensors |= {f"{moment}.{name}": optimizer.state[parameter][moment] for moment in ("exp_avg", "exp_avg_sq")}
        # A rank has the rows of its own users, and all ranks take part in bringing them together.
        whole = {name: self._ranks.rows(value) if by_user(model, name) else value.cpu() for name, value in tensors.items()}
        if self._ranks.leads:
            numbers = {"of": self._of, "rng": json.dumps(rng.bit_generator.state), "lr": optimizer.param_groups[0]["lr"], "step": schedule.last_epoch}
            write_arrays(self._path, **{name: value.numpy() for name, value in whole.items()}, **progress.arrays(), **numbers)

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule, rng: np.random.Generator, progress) -> None:
        """Put everything back as it was written; where there is no file of this training, nothing changes."""
        state = self._read()
        if state is None:
            return

        def tensors(prefix: str) -> dict[str, torch.Tensor]:
            found = {name.removeprefix(prefix): torch.from_numpy(value) for name, value in state.items() if name.startswith(prefix)}
            return {name: value[model.graph.first : model.graph.end] if by_user(model, name) else value for name, value in found.items()}

        model.load_state_dict(tensors("parameter."))
        exp_avg, exp_avg_sq = tensors("exp_avg."), tensors("exp_avg_sq.")
        for name, parameter in model.named_parameters():
            step = torch.tensor(float(state["step"]), device=parameter.device)
            optimizer.state[parameter] = {"step": step, "exp_avg": exp_avg[name].to(parameter.device), "exp_avg_sq": exp_avg_sq[name].to(parameter.device)}
        optimizer.param_groups[0]["lr"] = float(state["lr"])
        schedule.last_epoch, schedule._last_lr = int(state["step"]), [float(state["lr"])]
        rng.bit_generator.state = json.loads(str(state["rng"]))
        progress.resume(state, tensors("best."))

    def _read(self) -> dict[str, np.ndarray] | None:
        """The file's arrays, which the leader hands to all ranks, as their machines may not share a disk."""
        content = b""
        if self._every and self._ranks.leads and self._path.exists():
            with contextlib.suppress(UserError, KeyError):  # broken, or no checkpoint: training begins anew
                if str(read_arrays(self._path)["of"]) == self._of:
                    content = self._path.read_bytes()
        content = self._ranks.bytes_from_leader(content)
        if not content:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


NO_CHECKPOINT = Checkpoint()
IRRELEVANT = {"checkpoint_epochs": None}  # params that change nothing in what is trained


def by_user(model: nn.Module, name: str) -> bool:
    """Whether a parameter, or what belongs to it, has a row for each user, of which a rank holds those of its own."""
    return name.split(".")[-1] in getattr(model, "BY_USER", ())


def fingerprint(params: SimpleNamespace, graph: GraphArrays, train: sp.csr_matrix, valid: sp.csr_matrix, past: History | None) -> str:
    """What a training is determined by: params, data (in its order in time, if that counts), and the project's modules that are loaded; in hexadecimal."""
    digest = hashlib.sha256(json.dumps(vars(params) | IRRELEVANT, sort_keys=True).encode())
    in_order = (past.indptr, past.items) if past else ()
    for array in (graph.source, graph.weight, train.indptr, train.indices, valid.indptr, valid.indices, *in_order):
        digest.update(np.ascontiguousarray(array))
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == "movierec":
            digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()
