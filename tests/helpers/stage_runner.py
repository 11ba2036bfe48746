"""The pipeline's stages run in this process, in a fraction of the time that new processes take."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "stages"))
import _stage

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]  # in an order in which they can run
ORDER = [stage.replace("-", "_") for stage in STAGES]
# Params with which a part of MovieLens 100K takes seconds.
SMALL = {"dataset": "path", "k_core": 2, "embedding_dim": 16, "epochs": 3, "lr": 0.02, "top_k": 5}
SMALL |= {
    "ease": {"lambdas": [50, 200]},
    "knn": {"neighbors": [10, 20]},
    "next": {"epochs": 1, "dim": 16, "hidden": 16},
}


def outputs(stage: str) -> list[str]:
    """The paths that a stage writes, as dvc.yaml has them."""
    outs = [out for key in ("outs", "plots") for out in STAGES[stage].get(key, [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]


def write_params(path: Path, start: Path = ROOT / "params.yaml", **changes) -> None:
    """Write the params of `start` with some changes; those of a group are a dictionary."""
    yaml = YAML()
    params = yaml.load(start)
    for key, value in changes.items():
        params[key] = params[key] | value if isinstance(value, dict) else value
    yaml.dump(params, path)


def set_up(folder: Path, **params) -> Path:
    """A folder with the project's params, some of them changed."""
    write_params(folder / "params.yaml", **params)
    return folder


def load(name: str) -> ModuleType:
    """A stage's script, with all that it imports."""
    spec = importlib.util.spec_from_file_location(f"stage_{name}", ROOT / "stages" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def run_stage(name: str, folder: Path, monkeypatch, arguments: tuple[str, ...] = (), by_dvc=True) -> str | None:
    """Run a stage's script in `folder` with these arguments, as if by DVC: the message of its error, or None."""
    script = load(name)
    with monkeypatch.context() as patch:
        patch.setattr(_stage, "ROOT", folder)
        patch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        patch.setenv("DVC_STAGE", name) if by_dvc else patch.delenv("DVC_STAGE", raising=False)
        before = os.getcwd()
        try:
            _stage.run(script.main)
        except SystemExit as stop:
            return stop.code
        finally:
            os.chdir(before)
    return None


def run_until(folder: Path, monkeypatch, last: str = ORDER[-1], first: str = ORDER[0]) -> str | None:
    """Run the stages in order: the message of the first error, or None."""
    for name in ORDER[ORDER.index(first) : ORDER.index(last) + 1]:
        message = run_stage(name, folder, monkeypatch)
        if message is not None:
            return message
    return None
