"""Run stages in this process, in a folder of their own: what a stage says and writes, in a fraction of the time that a new process takes."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from imports import ROOT
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "stages"))
import _stage  # noqa: E402

ORDER = [
    "download", "clean", "split", "check", "build_graph", "baselines", "train", "evaluate", "draw", "catalogue", "recommend", "page",
    "newcomers", "evaluate_newcomers",
]  # fmt: skip


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

