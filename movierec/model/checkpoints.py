"""Checkpoints: a killed training resumes after its last complete epoch, and ends with the same bytes."""

import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.histories import Histories
from movierec.model.progress import Progress
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.errors import UserError
from movierec.utils.group import ALONE, Group, by_user
from movierec.utils.params import Params


class Checkpoint:
    """The state of one training. The leading process alone reads and writes it, for any number of processes."""

    def __init__(self, path: Path | None = None, every: int = 0, fingerprint: str = "", group: Group = ALONE):
        """`path` is an npz file, written every so many epochs (0: never), and ignored if it has another fingerprint."""
        self._path, self._every, self._fingerprint, self._group = path, every, fingerprint, group

    def write(
        self,
        model: nn.Module,
        training: dict[str, Any],
        rng: np.random.Generator,
        progress: Progress,
        *,
        average: dict[str, Tensor],
    ) -> None:
        """Store the state after an epoch, if one is due.

        `training` has the optimizer and its schedule, if there is one, and `average` averages of parameters, by name.
        """
        if not self._every or self._path is None or len(progress.epochs) % self._every:
            return
        tensors: dict[str, Any] = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in average.items()}
        tensors |= {f"best.{name}": value for name, value in progress.best_state.items()}
        states = {name: of.state_dict() for name, of in training.items()}
        names = [name for name, _ in model.named_parameters()]
        for index, state in states["optimizer"].pop("state").items():
            tensors |= {f"{key}.{names[index]}": value for key, value in state.items()}
        sharded = by_user(model)  # a process has the rows of its own users
        for name, value in tensors.items():
            by_row = value.dim() and name.split(".", 1)[1] in sharded
            tensors[name] = self._group.rows(value) if by_row else value.cpu()
        if self._group.leads:
            arrays = {name: value.numpy() for name, value in tensors.items()} | progress.arrays()
            state = json.dumps({"rng": rng.bit_generator.state, "training": states})
            write_arrays(self._path, fingerprint=self._fingerprint, state=state, **arrays)

    def restore(
        self,
        model: nn.Module,
        training: dict[str, Any],
        rng: np.random.Generator,
        progress: Progress,
        *,
        average: dict[str, Tensor],
    ) -> None:
        """Restore what `write` stored; nothing changes where there is no checkpoint of this training."""
        arrays = self._read()
        if arrays is None:
            return

        def tensors(prefix: str) -> dict[str, Tensor]:
            found = {name.removeprefix(prefix): of for name, of in arrays.items() if name.startswith(prefix)}
            for name in set(found) & set(by_user(model)):
                graph: Any = model.graph
                found[name] = found[name][graph.first : graph.end]
            return {name: torch.from_numpy(of) for name, of in found.items()}

        state = json.loads(str(arrays["state"]))
        model.load_state_dict(tensors("model."))
        for name, value in tensors("average.").items():
            average[name].copy_(value)
        moments = {key: tensors(f"{key}.") for key in ("exp_avg", "exp_avg_sq")}
        steps = {name: torch.tensor(float(arrays[f"step.{name}"])) for name, _ in model.named_parameters()}
        of_names = [{"step": steps[name]} | {key: of[name] for key, of in moments.items()} for name in steps]
        state["training"]["optimizer"]["state"] = dict(enumerate(of_names))
        for name, of in training.items():
            of.load_state_dict(state["training"][name])
        rng.bit_generator.state = state["rng"]
        progress.resume(arrays, tensors("best."))

    def _read(self) -> dict[str, np.ndarray] | None:
        """The arrays of the file; the leader sends them to all processes, as their machines may not share a disk."""
        found: dict[str, Any] = {}
        if self._every and self._group.leads and self._path is not None and self._path.exists():
            with contextlib.suppress(UserError, KeyError):  # damaged, or no checkpoint: training starts from scratch
                arrays = read_arrays(self._path)
                found = arrays if str(arrays["fingerprint"]) == self._fingerprint else {}
        return self._group.arrays_from_leader(found) or None


def fingerprint(params: Params, graph: GraphArrays, valid: sp.csr_matrix, histories: Histories | None) -> str:
    """A hash of all that a training depends on: params, data and the loaded modules of the project."""
    digest = hashlib.sha256(params.model_dump_json(exclude={"checkpoint_epochs"}).encode())
    in_order = (histories.indptr, histories.items, histories.times, histories.waits) if histories else ()
    for array in (graph.source, graph.target, graph.weight, valid.indptr, valid.indices, *in_order):
        digest.update(np.ascontiguousarray(array).tobytes())
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == "movierec" and module.__file__:
            digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()
