"""The cost of the pipeline by data size: python benchmarks/scale.py --sizes 1,3,10,32

For each size, in millions of interactions: generates a data set (synthetic.py), copies the project's tracked files,
runs each stage of dvc.yaml there as a process of its own, and measures wall time, CPU time and peak memory. Beside the
cost stands the quality: NDCG@20 on test of the model, of the baselines, and of the true preferences, an upper bound.

Prints tables in Markdown and draws plots/scale.png. All figures are written to a JSON file after each stage, so that
none are lost if a size fails; --from FILE prints and draws them again. Measuring a size again replaces its figures.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _bench
from ruamel.yaml import YAML

from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml
from movierec.utils.storage import write_json

SEED = 1  # of the data
SAMPLE = 3000  # users in the evaluation of the true preferences


def measured(command: list[str], folder: Path, log: Path) -> dict[str, Any]:
    """The cost of a command, and under `failed` the reason if it fails.

    Peak memory is the resident memory of the largest process of the command. Linux starts it at that of the process
    that runs the command, so nothing large may be loaded here.
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
        last = last_line(log.read_text(errors="replace"))[:300]
        cost["failed"] = f"killed by signal {-code}, perhaps out of memory" if code < 0 else last
    return cost


def last_line(text: str) -> str:
    """The last line of an output, or an empty one."""
    return (text.strip().splitlines() or [""])[-1]


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


def measure_size(
    millions: str, folder: Path, settings: list[str], figures: dict[str, Any], save: Callable[[], None]
) -> None:
    """Measure all stages at one size; fills `figures`, and calls `save` after each stage."""
    data, project, log = folder / millions, folder / "project", folder / f"{millions}.log"
    n_interactions = round(float(millions) * 1_000_000)
    figures |= {"interactions": n_interactions, "settings": settings, "project": revision(), "stages": {}}
    if not (data / "ratings.csv").exists():
        _bench.say(f"{millions} M: generating the data")
        synthetic = [sys.executable, str(_bench.ROOT / "benchmarks/synthetic.py"), str(data)]
        command = [*synthetic, f"--interactions={n_interactions}", f"--seed={SEED}"]
        figures["generate"] = measured(command, _bench.ROOT, log)
        if "failed" in figures["generate"]:
            reason = figures["generate"]["failed"]
            raise UserError(f"{millions} M: the data could not be generated: {reason}")
    copy_project(project, [*settings, "dataset=path", f"data_path={json.dumps(str(data))}"])
    for name, stage in read_yaml(project / "dvc.yaml")["stages"].items():
        program, *arguments = shlex.split(stage["cmd"])
        cost = measured([sys.executable if program == "python" else program, *arguments], project, log)
        figures["stages"][name] = cost
        save()
        failed = f"; {cost['failed']}" if "failed" in cost else ""
        _bench.say(f"{millions} M: {name}: {cost['seconds']:.1f} s, {cost['memory_gb']:.2f} GB{failed}")
        if failed:
            return
    command = [sys.executable, __file__, "--quality-of", project, "--data", data]
    done = subprocess.run(command, capture_output=True, text=True)
    figures |= {"quality_failed": last_line(done.stderr)} if done.returncode else json.loads(done.stdout)
    save()
    shutil.rmtree(project)


def quality(project: Path, data: Path) -> dict[str, Any]:
    """The size of the split, and NDCG@20 on test of the models and of the true preferences."""
    import numpy as np
    import scipy.sparse as sp
    import torch
    from synthetic import Truth

    from movierec.interactions.matrix import to_csr
    from movierec.ranking.metrics import rankable_users
    from movierec.ranking.topk import evaluate
    from movierec.utils.storage import read_table

    truth, folder = Truth.load(data / "truth.npz"), project / "data"
    user_index = read_table(folder / "split/users.parquet")["UserID"].to_numpy() - 1
    item_index = read_table(folder / "split/items.parquet")["MovieID"].to_numpy() - 1
    shape = len(user_index), len(item_index)
    parts = ("split/train", "split/valid", "test/test")
    train, valid, test = (to_csr(read_table(folder / f"{part}.parquet"), *shape) for part in parts)
    users = rankable_users(test, train, required=True)
    if len(users) > SAMPLE:
        users = np.random.default_rng(0).choice(users, SAMPLE, replace=False)
    in_sample = sp.diags(np.isin(np.arange(shape[0]), users).astype(np.float32))
    relevant = sp.csr_matrix(in_sample @ test)
    relevant.eliminate_zeros()

    def scorer(batch: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(truth.scores(user_index[batch])[:, item_index])

    ndcg = json.loads((project / "metrics/test/ndcg@20.json").read_text())
    ndcg["the truth"] = evaluate(scorer, train, train + valid, relevant, [20])["ndcg@20"]
    n_positives = int(train.nnz + valid.nnz + test.nnz)
    return {"users": shape[0], "movies": shape[1], "liked": n_positives, "ndcg@20": ndcg}


def revision() -> str:
    """The commit, and whether files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=_bench.ROOT, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,3,10,32", help="millions of interactions (default: 1,3,10,32)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_bench.HELP_OF_SET)
    folder_help = "for the data sets, by size, and the copy of the project (default: data/scale)"
    parser.add_argument("--folder", type=Path, default=_bench.ROOT / "data/scale", help=folder_help)
    parser.add_argument("--figure", type=Path, default=_bench.ROOT / "plots/scale.png", help="default: plots/scale.png")
    parser.add_argument("--json", type=Path, help="default: scale.json in the folder")
    from_help = "measure nothing; print and draw the results of this JSON file"
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help=from_help)
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
        _bench.bench_params(args.set)  # an error now, not after the data are generated
        folder.mkdir(parents=True, exist_ok=True)
        for millions in sorted({f"{size:g}" for size in numbers(args.sizes)}, key=float):
            figures = results["sizes"][millions] = {}
            try:
                measure_size(millions, folder, args.set, figures, lambda: write_json(results, path))
            except UserError as error:
                _bench.say(str(error))
    # Here and not above: what this process has loaded would count as the memory of the stages.
    from _scale_report import draw, tables

    print(tables(results))
    draw(results, args.figure)


def numbers(text: str) -> list[float]:
    """'1,3' as positive numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 < value < float("inf") for value in values):
        raise UserError(f"--sizes {text}: write millions of interactions, such as 1,3,10.")
    return values


def read_results(path: Path) -> dict[str, Any]:
    """The results of an earlier run."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["machine"], results["sizes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} has no results of this benchmark ({reason}).") from None
    return results


def machine() -> dict[str, Any]:
    """The machine, for the results."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = {"system": platform.platform(), "python": platform.python_version()}
    return {"cores": os.cpu_count(), "memory_gb": round(memory / 1e9, 1)} | system


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"scale: {error}")
