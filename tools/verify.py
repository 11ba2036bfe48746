"""What `make verify` runs: the committed pipeline in two new clones, under other circumstances, and whether all bytes are the same.

Neither clone shares anything with the other, nor with DVC's cache here: each stage runs in each. What they give is compared with each
other, and with the committed dvc.lock where the data set is the committed one.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import repro  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from movierec.errors import UserError  # noqa: E402
from movierec.movielens import RELEASES  # noqa: E402
from movierec.params import read_params, read_yaml  # noqa: E402

LOG = Path(".dvc/tmp/verify.log")
CIRCUMSTANCES = {
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "1 thread, elsewhere": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
}


def main() -> int:
    if subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True).stdout.strip():
        print("note: what is verified is the last commit; uncommitted changes are left out", flush=True)
    found, committed = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, environment) in enumerate(CIRCUMSTANCES.items(), 1):
            folder = Path(scratch, f"clone {number}")
            subprocess.run(["git", "clone", "-q", str(repro.ROOT), str(folder)], check=True)
            dataset = read_params(folder / repro.PARAMS, ("dataset",)).dataset
            reason = repro.why_missing(dataset) if dataset == "ml-1m" else None
            if reason:
                print(f"{RELEASES[dataset].title} can't be had ({reason}): verifying with {repro.FALLBACK}", flush=True)
                repro.set_param("dataset", repro.FALLBACK, folder / repro.PARAMS)
            else:
                committed = {"committed": stages(folder / repro.LOCK)}
            found[name] = run(name, folder, environment)
    return show(found | committed)


def run(name: str, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run the pipeline in a clone: each stage's hash."""
    archives = str(Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives").absolute())
    began = time.monotonic()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("w") as log:
        command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
        done = subprocess.run(command, cwd=folder, env=os.environ | environment | {"MOVIELENS_ARCHIVES": archives}, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        raise UserError(f"dvc repro failed in a new clone ({name}); its output is {LOG}.")
    print(f"{name}: the whole pipeline in {time.monotonic() - began:.0f} s", flush=True)
    return stages(folder / repro.LOCK)


def stages(lock: Path) -> dict[str, str]:
    """Of each stage, one hash over the paths and hashes of its outputs."""
    entries = read_yaml(lock)["stages"]
    return {
        stage: hashlib.md5("\n".join(f"{out['path']} {out['md5']}" for out in entry.get("outs", [])).encode()).hexdigest()
        for stage, entry in entries.items()
    }


def show(found: dict[str, dict[str, str]]) -> int:
    """Print the table of stages and hashes: 0 if the clones agree, else 1."""
    table = Table("stage", *found, "")
    (one, other), different = (found[name] for name in CIRCUMSTANCES), []
    for stage in read_yaml(Path("dvc.yaml"))["stages"]:
        of_stage = [of.get(stage, "missing") for of in found.values()]
        same = len(set(of_stage)) == 1
        different += [] if same else [stage]
        table.add_row(stage, *(value[:12] for value in of_stage), "same" if same else "[bold]differs[/bold]")
    Console().print(table)
    if one != other:
        print(f"The two clones differ in {', '.join(different)}.")
        return 1
    elsewhere = f"The two clones agree; the committed run differs in {', '.join(different)}: it was made on another processor, or from another archive."
    print(elsewhere if different else "All bytes are the same.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make verify: {error}")
