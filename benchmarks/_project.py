"""A copy of the project with other params, and its stages as processes whose cost is measured."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import _bench
from ruamel.yaml import YAML

from movierec.utils.params import read_yaml


def copy_project(folder: Path, settings: list[str]) -> None:
    """Copy the project's tracked files, as they are now, with some params changed."""
    shutil.rmtree(folder, ignore_errors=True)
    ls_files = ["git", "ls-files", "-z"]
    listed = subprocess.run(ls_files, cwd=_bench.ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (_bench.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_bench.ROOT / name, folder / name)
    YAML().dump(_bench.bench_params(settings).model_dump(), folder / "params.yaml")


def run_stages(
    project: Path, log: Path, done: Callable[[str, dict[str, Any]], None], skip: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """The cost of each stage by name, up to the first that fails; `done` is called after each."""
    costs: dict[str, dict[str, Any]] = {}
    for name, stage in read_yaml(project / "dvc.yaml")["stages"].items():
        if name not in skip:
            program, *arguments = shlex.split(stage["cmd"])
            costs[name] = measured([sys.executable if program == "python" else program, *arguments], project, log)
            done(name, costs[name])
            if "failed" in costs[name]:
                break
    return costs


def measured(command: list[str], folder: Path, log: Path) -> dict[str, Any]:
    """The cost of a command, and under `failed` the reason if it fails.

    Peak memory is the resident memory of the largest process of the command. Linux starts it at that of the process
    that runs the command, so nothing large may be loaded here.
    """
    began = time.monotonic()
    with log.open("w") as out:
        environment = os.environ | {"DVC_STAGE": "measured"}  # a stage writes its outputs, as if DVC ran it
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    cost: dict[str, Any] = {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory_gb": round(usage.ru_maxrss * unit / 1e9, 3),
    }
    if code:
        last = last_line(log.read_text(errors="replace"))[:300]
        cost["failed"] = f"killed by signal {-code}, perhaps out of memory" if code < 0 else last
    return cost


def last_line(text: str) -> str:
    """The last line of an output, or an empty one."""
    return (text.strip().splitlines() or [""])[-1]
