"""What the benchmarks share: the project's library on the path, its params, and what belongs beside a figure."""

import importlib.metadata
import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DGLBACKEND", "pytorch")

import numpy as np  # noqa: E402
from ruamel.yaml import YAML  # noqa: E402

from movierec.errors import UserError  # noqa: E402
from movierec.params import check_params  # noqa: E402


def bench_params(settings: list[str]) -> dict[str, Any]:
    """params.yaml, with `key=value` settings on top, checked.

    Raises:
        UserError: a setting is not `key=value`, or its key or value is not allowed.
    """
    yaml = YAML(typ="safe")
    values = yaml.load(ROOT / "params.yaml")
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write it as key=value.")
        values[key] = yaml.load(value)
    return check_params(values, "params.yaml with --set")


def over_seeds(seeds: list[int], figures: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """The figures of one seed; of several, their means, and each seed's own under `seeds`."""
    runs = [figures(seed) for seed in seeds]
    if len(runs) == 1:
        return runs[0]

    def mean(values: list) -> Any:
        if isinstance(values[0], dict):
            return {key: mean([value[key] for value in values]) for key in values[0]}
        return round(float(np.mean(values)), 6)

    means = {key: mean([run[key] for run in runs]) for key, value in runs[0].items() if isinstance(value, (float, dict))}
    return means | {"seeds": [{"seed": seed} | run for seed, run in zip(seeds, runs)]}


def surroundings() -> dict[str, Any]:
    """Peak memory of this process, versions and threads."""
    import torch

    packages = ("torch", "dgl", "numpy", "scipy", "scikit-learn", "pandas")
    return {
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}},
        "threads": torch.get_num_threads(),
    }


def say(text: str) -> None:
    """Progress, on standard error: standard output is for the result."""
    print(text, file=sys.stderr, flush=True)
