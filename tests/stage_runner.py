"""The pipeline's stages, and how to run them in this process: what they say and write, in a fraction of the time that new processes take."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "stages"))
import _stage  # noqa: E402

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]  # in an order in which they can run
ORDER = [stage.replace("-", "_") for stage in STAGES]
# Params with which a part of MovieLens 100K takes seconds.
SMALL = {
    "dataset": "path", "k_core": 2, "embedding_dim": 16, "epochs": 3, "lr": 0.02, "ease_lambdas": [50, 200], "knn_neighbors": 20, "top_k": 5,
    "next_epochs": 1, "next_dim": 16, "next_hidden": 16,
}  # fmt: skip


def outputs(stage: str) -> list[str]:
    """The paths that a stage writes, as dvc.yaml has them."""
    return [out if isinstance(out, str) else next(iter(out)) for key in ("outs", "metrics") for out in STAGES[stage].get(key, [])]


def set_up(folder: Path, **params) -> Path:
    """A folder with the project's params, some of them changed."""
    yaml = YAML()
    yaml.dump(yaml.load(ROOT / "params.yaml") | params, folder / "params.yaml")
    return folder


def load(name: str) -> ModuleType:
    """A stage's script, with all that it imports."""
    spec = importlib.util.spec_from_file_location(f"stage_{name}", ROOT / "stages" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def run_stage(name: str, folder: Path, monkeypatch, arguments: tuple[str, ...] = ()) -> str | None:
    """Run a stage's script in `folder`, with these arguments: the line with which it ends where it stops, else None."""
    script = load(name)
    with monkeypatch.context() as patch:
        patch.setattr(_stage, "ROOT", folder)
        patch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        before = os.getcwd()
        try:
            _stage.run(script.main)
        except SystemExit as stop:
            return stop.code
        finally:
            os.chdir(before)
    return None


def run_until(folder: Path, monkeypatch, last: str = ORDER[-1], first: str = ORDER[0]) -> str | None:
    """Run the stages in order: the first line with which one stops, or None."""
    for name in ORDER[ORDER.index(first) : ORDER.index(last) + 1]:
        said = run_stage(name, folder, monkeypatch)
        if said is not None:
            return said
    return None

