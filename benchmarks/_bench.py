"""Shared by the benchmarks: the library on the path, the params, and the environment of a result."""

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

import numpy as np
from ruamel.yaml import YAML, YAMLError

from movierec.utils.errors import UserError
from movierec.utils.params import Params, check_params, read_yaml

HELP_OF_SET = "override a param of params.yaml (group.key for one of a group); repeatable"


def bench_params(settings: list[str]) -> Params:
    """The params of params.yaml, overridden by settings `key=value` or `group.key=value`.

    Raises:
        UserError: a setting has another form, or its key or value is not allowed.
    """
    values = read_yaml(ROOT / "params.yaml")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write it as key=value.")
        try:
            value = YAML(typ="safe", pure=True).load(text)
        except YAMLError:
            raise UserError(f"--set {setting}: the value is not readable as YAML.") from None
        group, _, name = key.rpartition(".")
        if isinstance(values.get(group), dict):
            values[group][name] = value
        else:
            values[key] = value
    return check_params(values, "params.yaml with --set")


def over_seeds(seeds: list[int], figures: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """The figures of one seed; of several, the means, and the figures of each under `seeds`."""
    runs = [figures(seed) for seed in seeds]
    if len(runs) == 1:
        return runs[0]

    def mean(values: list) -> Any:
        if isinstance(values[0], dict):
            return {key: mean([value[key] for value in values]) for key in values[0]}
        return round(float(np.mean(values)), 6)

    numeric = [key for key, value in runs[0].items() if isinstance(value, (float, dict))]
    means = {key: mean([run[key] for run in runs]) for key in numeric}
    return means | {"seeds": [{"seed": seed} | run for seed, run in zip(seeds, runs, strict=True)]}


def surroundings() -> dict[str, Any]:
    """The peak memory of this process, the versions of packages, and the number of threads."""
    import torch

    packages = ("torch", "dgl", "numpy", "scipy", "scikit-learn", "pandas")
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {"peak_memory_mb": peak, "versions": versions, "threads": torch.get_num_threads()}


def say(text: str) -> None:
    """Print progress to standard error; standard output is for the result."""
    print(text, file=sys.stderr, flush=True)
