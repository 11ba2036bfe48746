"""`make verify`: run the committed pipeline in two new clones, under different conditions, and compare all bytes.

The clones share nothing with each other, nor with DVC's cache here: each stage runs in both. Their outputs are compared
with each other, and with the committed dvc.lock if the data set is the committed one. In that case `python
tools/verify.py --record` also writes hashes and seconds to benchmarks/results/verify.json, for the documentation.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "benchmarks")]

import _bench
import repro
from rich.console import Console
from rich.table import Table

from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError
from movierec.utils.params import read_params, read_yaml

LOG = Path(".dvc/tmp/verify.log")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CONDITIONS = {
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "1 thread, elsewhere": ONE_THREAD | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/verify.json")
    record = parser.parse_args().record
    if git("status", "--porcelain", "-uno", "--", "."):
        print("note: what is verified is the last commit; uncommitted changes are left out", flush=True)
    found, committed, seconds = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, environment) in enumerate(CONDITIONS.items(), 1):
            folder = clone(Path(scratch, f"clone {number}"))
            dataset = read_params(folder / repro.PARAMS).dataset
            reason = repro.why_missing(dataset) if dataset == "ml-1m" else None
            if reason and record:
                raise UserError(f"--record needs {RELEASES[dataset].title}, which can't be had ({reason}).")
            if reason:
                print(f"{RELEASES[dataset].title} can't be had ({reason}): verifying with {repro.FALLBACK}", flush=True)
                repro.set_param("dataset", repro.FALLBACK, folder / repro.PARAMS)
            else:
                committed = {"committed": stages(folder / repro.LOCK)}
            found[name], seconds[name] = run(name, folder, environment)
    if record and committed:
        names = next(iter(committed.values()))
        by_stage = {stage: {name: of.get(stage) for name, of in (found | committed).items()} for stage in names}
        _bench.write_result(_bench.RESULTS / "verify.json", {"seconds": seconds, "stages": by_stage})
    return show(found | committed)


def git(*arguments: str) -> str:
    """The output of a git command in the project."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=repro.ROOT, capture_output=True, text=True, check=True).stdout.strip()


def clone(folder: Path) -> Path:
    """Clone the repository of the project, which may be a folder in it: the project in the clone."""
    git("clone", "-q", git("rev-parse", "--show-toplevel"), str(folder))
    return folder / git("rev-parse", "--show-prefix")


def run(name: str, folder: Path, environment: dict[str, str]) -> tuple[dict[str, str], float]:
    """Run the pipeline in a clone: the hash of each stage, and the seconds."""
    archives = str(Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives").absolute())
    variables = os.environ | environment | {"MOVIELENS_ARCHIVES": archives}
    command = [*repro.DVC, "repro", "--force", "--no-run-cache"]
    began = time.monotonic()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("w") as log:
        done = subprocess.run(command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        raise UserError(f"dvc repro failed in a new clone ({name}); its output is {LOG}.")
    seconds = round(time.monotonic() - began, 1)
    print(f"{name}: the whole pipeline in {seconds:.0f} s", flush=True)
    return stages(folder / repro.LOCK), seconds


def stages(lock: Path) -> dict[str, str]:
    """By stage, one hash of the paths and hashes of its outputs."""
    hashes = {}
    for stage, entry in read_yaml(lock)["stages"].items():
        outs = "\n".join(f"{out['path']} {out['md5']}" for out in entry.get("outs", []))
        hashes[stage] = hashlib.md5(outs.encode()).hexdigest()
    return hashes


def show(found: dict[str, dict[str, str]]) -> int:
    """Print the table of stages and hashes: 0 if the clones agree, else 1."""
    table = Table("stage", *found, "")
    (one, other), different = (found[name] for name in CONDITIONS), []
    for stage in read_yaml(Path("dvc.yaml"))["stages"]:
        of_stage = [of.get(stage, "missing") for of in found.values()]
        same = len(set(of_stage)) == 1
        different += [] if same else [stage]
        table.add_row(stage, *(value[:12] for value in of_stage), "same" if same else "[bold]differs[/bold]")
    Console().print(table)
    if one != other:
        print(f"The two clones differ in {', '.join(different)}.")
        return 1
    origin = "it was made on another processor, or from another archive"
    elsewhere = f"The two clones agree; the committed run differs in {', '.join(different)}: {origin}."
    print(elsewhere if different else "All bytes are the same.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make verify: {error}")
