"""Shared by the benchmarks: the library on the path, the options, the params, and the file of a result."""

import argparse
import importlib.metadata
import os
import platform
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import movierec  # noqa: F401  # before NumPy: it pins the code that the libraries choose by processor

# isort: split
import numpy as np
from ruamel.yaml import YAML, YAMLError

from movierec.utils.errors import UserError
from movierec.utils.params import MASKS, Params, check_params, read_yaml

RESULTS = ROOT / "benchmarks/results"
PACKAGES = ("torch", "dgl", "numpy", "scipy", "scikit-learn", "pandas")
OPTIONAL = {"faiss": "faiss-cpu", "usearch": "usearch"}  # module and package; with a version where it is used


def integers(text: str) -> list[int]:
    """'1,2,3' as numbers."""
    return [int(part) for part in text.split(",")]


OPTIONS: dict[str, dict[str, Any]] = {
    "split": {"type": Path, "required": True, "metavar": "DIR", "help": "folder with train.txt, valid.txt, test.txt"},
    "mask": {"choices": MASKS, "default": "train", "help": "left out of the test rankings (default: train)"},
    "set": {
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "override a param of params.yaml (group.key for one of a group); repeatable",
    },
    "seeds": {"type": integers, "metavar": "1,2,3", "help": "train once with each (default: params.yaml's)"},
}


def parser(description: str | None, *names: str) -> argparse.ArgumentParser:
    """A parser with `--out`, and with those of `OPTIONS` that are named."""
    commit()  # at the start, for the result
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    out, out_help = RESULTS / f"{Path(sys.argv[0]).stem}.json", "the result (default: benchmarks/results/NAME.json)"
    made.add_argument("--out", type=Path, default=out, metavar="FILE", help=out_help)
    for name in names:
        made.add_argument(f"--{name}", **OPTIONS[name])
    return made


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; a UserError is one line and exit status 1."""
    try:
        main()
    except UserError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


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
    """The means of the figures of each seed, and the figures of each under `seeds`."""
    runs = [{"seed": seed} | figures(seed) for seed in seeds]

    def mean(values: list) -> Any:
        if isinstance(values[0], dict):
            return {key: mean([value[key] for value in values]) for key in values[0]}
        return round(float(np.mean(values)), 6)

    numeric = [key for key, value in runs[0].items() if isinstance(value, (float, dict))]
    return {key: mean([run[key] for run in runs]) for key in numeric} | {"seeds": runs}


def write_result(path: Path, figures: dict[str, Any], seeds: list[int] | None = None) -> None:
    """Write a result as JSON, with `about`: its command, date, commit, seeds, machine, versions, threads and memory."""
    origin = about(seeds)  # before pandas is loaded, whose memory would count
    from movierec.utils.storage import write_json

    write_json({"about": origin} | figures, path)
    announce(path)


@cache
def announce(path: Path) -> None:
    """Print the place of a result, once, though it may be written several times."""
    print(f"Written to {relative(str(path))}")


def about(seeds: list[int] | None) -> dict[str, Any]:
    """The origin of a result; `peak_memory_mb` is of the largest process."""
    torch = sys.modules.get("torch")  # not imported for this: its memory would count in that of later processes
    threads = torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    optional = (package for module, package in OPTIONAL.items() if module in sys.modules)
    installed = {of.name.lower(): of.version for of in importlib.metadata.distributions()}
    versions = {name: installed.get(name) for name in (*PACKAGES, *optional)}  # DGL may be missing
    return {
        "command": command(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seeds": seeds,
        "machine": machine(),
        "versions": {"python": platform.python_version()} | versions,
        "threads": threads,
        "peak_memory_mb": peak_memory_mb(),
    }


def command() -> str:
    """The command of this process, as one types it in the project's root."""
    python = Path(sys.executable).absolute()
    peers = python.is_relative_to(ROOT / ".venv-peers")
    words = [str(python.relative_to(ROOT)) if peers else "python", *map(relative, sys.argv)]
    threads = os.environ.get("OMP_NUM_THREADS")
    return (f"OMP_NUM_THREADS={threads} " if threads else "") + shlex.join(words)


def relative(word: str) -> str:
    """A path in the project, from its root; any other word as it is."""
    path = Path(os.path.abspath(word))
    return str(path.relative_to(ROOT)) if "/" in word and path.is_relative_to(ROOT) else word


@cache
def commit() -> str:
    """The short commit, with `+` if the code of the library or of the benchmarks differs from it."""

    def git(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", "movierec", "benchmarks/*.py").returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + ("+" if changed else "")


def machine() -> dict[str, Any]:
    """The processor, the number of cores, the memory and the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": models[0] if models else platform.processor(),
        "vectors": vectors,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
    }


def peak_memory_mb() -> int:
    """The peak memory of this process, or of the largest that it has started."""
    peaks = (resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(peaks) / (2**20 if sys.platform == "darwin" else 1024))


def say(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)
