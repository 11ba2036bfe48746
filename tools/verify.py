"""`make verify`: run the committed pipeline in two new clones, under different conditions, and compare all bytes.

The clones share nothing with each other, nor with DVC's cache here: each stage runs in both. Their outputs are compared
with each other, and with the committed dvc.lock if the data set is the committed one. The verdict is the same bytes,
the same up to rounding (exit code 0), or different (1). `python tools/verify.py --record` also writes hashes, seconds
and the verdict of this machine to benchmarks/results/verify.json, for the documentation. `make verify CPU=intel` is
tools/emulate.py.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "benchmarks")]

import _bench
import pandas as pd
import repro
from rich.console import Console
from rich.table import Table

import movierec
from movierec.datasets.releases import RELEASES
from movierec.model import graph
from movierec.ranking.metrics import METRICS
from movierec.utils.errors import UserError
from movierec.utils.params import read_params, read_yaml

ROUNDING = 0.0005  # of a metric: rounding moves it less, another seed more
LOG, RESULT = Path(".dvc/tmp/verify.log"), _bench.RESULTS / "verify.json"
CONDITIONS = {
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "1 thread, elsewhere": {"OMP_NUM_THREADS": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
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
        changed, overlap = metric_changes(folder) if committed else {}, list_overlap(folder) if committed else None
    code, verdict = show(found | committed, changed, overlap)
    if record:
        names = next(iter(committed.values()))
        by_stage = {stage: {name: of.get(stage) for name, of in (found | committed).items()} for stage in names}
        machines = with_this_machine(json.loads(RESULT.read_text())["machines"], verdict)
        _bench.write_result(RESULT, {"seconds": seconds, "stages": by_stage, "machines": machines})
    return code


def with_this_machine(machines: list[dict[str, str]], verdict: str) -> list[dict[str, str]]:
    """The verdicts of all machines so far, with this one's in place of an earlier one of its kind."""
    about = _bench.about(None)
    kind = {name: about["machine"][name] for name in ("processor", "vectors")}
    kind |= {name: about["versions"][name] for name in ("python", "torch")}
    kind["dgl"] = "off" if graph.dgl is None else graph.dgl.__version__
    others = [of for of in machines if kind.items() - of.items()]
    return [*others, kind | {"commit": about["commit"], "date": about["date"][:10], "verdict": verdict}]


def git(*arguments: str, folder: Path | None = None) -> str:
    """The output of a git command in the project, or a folder of it."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder or repro.ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def metric_changes(folder: Path) -> dict[str, float]:
    """By name, the largest difference of each accuracy metric of a clone's run from the committed one."""
    changes = {}
    for path in git("ls-files", "metrics/valid", "metrics/test", folder=folder).splitlines():
        if Path(path).name.split("@")[0] in METRICS:
            before, now = (
                json.loads(git("show", f"HEAD:./{path}", folder=folder)),
                json.loads((folder / path).read_text()),
            )
            changes[path] = max(abs(now[model] - before[model]) for model in before)
    return changes


def list_overlap(folder: Path) -> float | None:
    """The share of the committed run's recommendations in those of a clone; None if DVC's cache lacks them."""
    cache = repro.ROOT / ".dvc/cache/files/md5"
    md5 = read_yaml(repro.ROOT / repro.LOCK)["stages"]["recommend"]["outs"][0]["md5"]
    listed = cache / md5[:2] / md5[2:]
    if not listed.exists():
        return None
    (md5,) = (file["md5"] for file in json.loads(listed.read_text()) if file["relpath"].endswith(".parquet"))
    tables = cache / md5[:2] / md5[2:], folder / "data/recommendations/recommendations.parquet"
    before, now = (pd.read_parquet(path, columns=["UserID", "MovieID"]) for path in tables)
    return len(before.merge(now)) / len(before)


def clone(folder: Path) -> Path:
    """Clone the repository of the project, which may be a folder in it: the project in the clone."""
    git("clone", "-q", git("rev-parse", "--show-toplevel"), str(folder))
    return folder / git("rev-parse", "--show-prefix")


def run(name: str, folder: Path, environment: dict[str, str]) -> tuple[dict[str, str], float]:
    """Run the pipeline in a clone: the hash of each stage, and the seconds."""
    archives = str(Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives").absolute())
    inherited = {name: value for name, value in os.environ.items() if name not in movierec.PINNED}  # the stages pin
    variables = inherited | environment | {"MOVIELENS_ARCHIVES": archives}
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


def show(found: dict[str, dict[str, str]], changed: dict[str, float], overlap: float | None) -> tuple[int, str]:
    """Print the table of stages and hashes; the verdict, 0 unless the clones or the metrics differ, and in words.

    `changed` and `overlap` are `metric_changes` and `list_overlap` from the committed run.
    """
    table = Table("stage", *found, "")
    (one, other), different = (found[name] for name in CONDITIONS), []
    for stage in read_yaml(Path("dvc.yaml"))["stages"]:
        of_stage = [of.get(stage, "missing") for of in found.values()]
        same = len(set(of_stage)) == 1
        different += [] if same else [stage]
        table.add_row(stage, *(value[:12] for value in of_stage), "same" if same else "[bold]differs[/bold]")
    Console().print(table)
    if one != other:
        code, verdict = 1, f"The two clones differ in {', '.join(different)}."
    elif not different:
        code, verdict = 0, "The same bytes."
    else:
        print(f"The two clones agree; the committed run differs in {', '.join(different)}.")
        largest = max(changed, key=changed.__getitem__)
        code, verdict = 1, f"Different: {largest} by {changed[largest]:.4f}."
        if changed[largest] <= ROUNDING:
            lists = "" if overlap is None else f", lists overlap {overlap:.1%}"
            code, verdict = 0, f"The same up to rounding: metrics within {changed[largest]:.4f}{lists}."
    print(verdict)
    return code, verdict


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make verify: {error}")
