"""What the pipeline costs as the data grow: python benchmarks/scale.py --sizes 1,3,10,32

For each size, in millions of interactions: makes a data set (synthetic.py), copies the project's tracked files, runs each stage of dvc.yaml
there as its own process, and measures wall time, CPU time and peak memory. How good the recommendations are stands beside it: NDCG@20 on test
of the model, of the baselines, and of the true preferences, the best that any model can do.

Prints tables in Markdown, and draws plots/scale.png. All figures go to a JSON file after each stage, so that nothing is lost with a size that fails;
--from FILE prints and draws it again. A size that is measured again replaces its figures there.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _bench
from ruamel.yaml import YAML

from movierec.errors import UserError
from movierec.params import read_yaml
from movierec.storage import write_json

SEED = 1  # of the data
SAMPLE = 3000  # users whose true preferences are ranked


def measured(command: list[str], folder: Path, log: Path) -> dict[str, Any]:
    """Run a command to its end: what it cost, and under `failed` why, if it did.

    Peak memory is the resident memory of the largest process of those that the command consists of. Linux lets it begin with that of the
    process that starts the command; so nothing large may be loaded here.
    """
    began = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    cost = {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory_gb": round(usage.ru_maxrss * unit / 1e9, 3),
    }
    if code:
        last = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        cost["failed"] = f"killed by signal {-code}, perhaps for want of memory" if code < 0 else last[:300]
    return cost


def copy_project(folder: Path, settings: list[str]) -> None:
    """The project's tracked files, as they are now, with some params changed."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_bench.ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (_bench.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_bench.ROOT / name, folder / name)
    YAML().dump(_bench.bench_params(settings), folder / "params.yaml")


def measure_size(millions: str, folder: Path, settings: list[str], figures: dict[str, Any], save) -> None:
    """Measure all stages at one size; `figures` is filled, and `save` is called after each."""
    data, project, log = folder / millions, folder / "project", folder / f"{millions}.log"
    n_interactions = round(float(millions) * 1_000_000)
    figures |= {"interactions": n_interactions, "settings": settings, "project": revision(), "stages": {}}
    if not (data / "ratings.csv").exists():
        _bench.say(f"{millions} M: making the data")
        command = [sys.executable, str(_bench.ROOT / "benchmarks/synthetic.py"), str(data), f"--interactions={n_interactions}", f"--seed={SEED}"]
        figures["generate"] = measured(command, _bench.ROOT, log)
        if "failed" in figures["generate"]:
            raise UserError(f"{millions} M: the data could not be made: {figures['generate']['failed']}")
    copy_project(project, [*settings, "dataset=path", f"data_path={json.dumps(str(data))}"])
    for name, stage in read_yaml(project / "dvc.yaml")["stages"].items():
        program, *arguments = shlex.split(stage["cmd"])
        cost = measured([sys.executable if program == "python" else program, *arguments], project, log)
        figures["stages"][name] = cost
        save()
        _bench.say(f"{millions} M: {name}: {cost['seconds']:.1f} s, {cost['memory_gb']:.2f} GB" + (f"; {cost['failed']}" if "failed" in cost else ""))
        if "failed" in cost:
            return
    done = subprocess.run([sys.executable, __file__, "--quality-of", project, "--data", data], capture_output=True, text=True)
    figures |= json.loads(done.stdout) if not done.returncode else {"quality_failed": (done.stderr.strip().splitlines() or [""])[-1]}
    save()
    shutil.rmtree(project)


def quality(project: Path, data: Path) -> dict[str, Any]:
    """The size of the split, and NDCG@20 on test of the models and of the true preferences."""
    import numpy as np
    import pandas as pd
    import torch
    from synthetic import Truth

    from movierec.interactions import to_csr
    from movierec.metrics import some_users_to_rank
    from movierec.ranking import evaluate
    from movierec.storage import read_json, read_table

    truth, split = Truth.load(data / "truth.npz"), project / "data/split"
    user_index = read_table(split / "users.parquet")["UserID"].to_numpy() - 1
    item_index = read_table(split / "items.parquet")["MovieID"].to_numpy() - 1
    train, valid, test = (to_csr(read_table(split / f"{part}.parquet"), len(user_index), len(item_index)) for part in ("train", "valid", "test"))
    users = some_users_to_rank(test, train)
    if len(users) > SAMPLE:
        users = np.sort(np.random.default_rng(0).choice(users, SAMPLE, replace=False))
    of_sample = to_csr(pd.DataFrame({"user": users, "item": 0}), *test.shape).sum(axis=1) > 0
    relevant = test.multiply(of_sample).tocsr()
    ndcg = evaluate(lambda batch: torch.from_numpy(truth.scores(user_index[batch])[:, item_index]), train, train + valid, relevant, [20])["ndcg@20"]
    sizes = {"users": len(user_index), "movies": len(item_index), "liked": int(train.nnz + valid.nnz + test.nnz)}
    return sizes | {"ndcg@20": read_json(project / "metrics/test/ndcg@20.json") | {"the truth": ndcg}}


def revision() -> str:
    """The commit, and whether files differ from it."""
    return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=_bench.ROOT, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,3,10,32", help="millions of interactions (default: 1,3,10,32)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param other than params.yaml has it")
    parser.add_argument("--folder", type=Path, default=_bench.ROOT / "data/scale", help="where the data sets go, by size, and the work (default: data/scale)")
    parser.add_argument("--figure", type=Path, default=_bench.ROOT / "plots/scale.png", help="default: plots/scale.png")
    parser.add_argument("--json", type=Path, help="default: scale.json in the folder")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing: print and draw what this JSON file holds")
    parser.add_argument("--quality-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quality_of:
        print(json.dumps(quality(args.quality_of, args.data)))
        return
    path, folder = args.json or args.folder / "scale.json", args.folder.resolve()
    results = {"machine": machine(), "sizes": {}}
    if args.source or path.exists():
        results = read_results(args.source or path)
    if not args.source:
        _bench.bench_params(args.set)  # an error now, not after the data are made
        folder.mkdir(parents=True, exist_ok=True)
        for millions in sorted({f"{size:g}" for size in numbers(args.sizes)}, key=float):
            figures = results["sizes"][millions] = {}
            try:
                measure_size(millions, folder, args.set, figures, lambda: write_json(results, path))
            except UserError as error:
                _bench.say(str(error))
    # Here, and not above: what this process has loaded would count as the stages' memory.
    from _scale_report import draw, tables

    print(tables(results))
    draw(results, args.figure)


def numbers(text: str) -> list[float]:
    """'1,3' as numbers above 0."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 < value < float("inf") for value in values):
        raise UserError(f"--sizes {text}: write millions of interactions, such as 1,3,10.")
    return values


def read_results(path: Path) -> dict[str, Any]:
    """What an earlier run has measured."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["machine"], results["sizes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no results of this benchmark ({' '.join(str(error).split())}).") from None
    return results


def machine() -> dict[str, Any]:
    """What ran it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count(), "memory_gb": round(memory / 1e9, 1), "system": platform.platform(), "python": platform.python_version()}


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"scale: {error}")
