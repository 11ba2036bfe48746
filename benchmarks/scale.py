"""The cost of the pipeline by data size: python benchmarks/scale.py --sizes 1,3,10,32

For each size, in millions of interactions: generates a data set (synthetic.py), copies the project's tracked files,
runs each stage of dvc.yaml there as a process of its own, and measures wall time, CPU time and peak memory. Beside the
cost stands the quality: NDCG@20 on test of the model, of the baselines, and of the true preferences, an upper bound.

Draws plots/scale.png. All figures are written after each stage, so that none are lost if a size fails; --from FILE
draws those of an earlier run. Measuring a size again replaces its figures.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _bench
from _project import copy_project, last_line, measured, run_stages

from movierec.utils.errors import UserError

SEED = 1  # of the data
SAMPLE = 3000  # users in the evaluation of the true preferences


def measure_size(
    millions: str, folder: Path, settings: list[str], figures: dict[str, Any], save: Callable[[], None]
) -> None:
    """Measure all stages at one size; fills `figures`, and calls `save` after each stage."""
    data, project, log = folder / millions, folder / "project", folder / f"{millions}.log"
    n_interactions = round(float(millions) * 1_000_000)
    figures |= {"interactions": n_interactions, "settings": settings, "project": _bench.commit(), "stages": {}}
    if not (data / "ratings.csv").exists():
        _bench.say(f"{millions} M: generating the data")
        synthetic = [sys.executable, str(_bench.ROOT / "benchmarks/synthetic.py"), str(data)]
        command = [*synthetic, f"--interactions={n_interactions}", f"--seed={SEED}"]
        figures["generate"] = measured(command, _bench.ROOT, log)
        if "failed" in figures["generate"]:
            reason = figures["generate"]["failed"]
            raise UserError(f"{millions} M: the data could not be generated: {reason}")
    copy_project(project, [*settings, "dataset=path", f"data_path={json.dumps(str(data))}"])

    def done(name: str, cost: dict[str, Any]) -> None:
        figures["stages"][name] = cost
        save()
        failed = f"; {cost['failed']}" if "failed" in cost else ""
        _bench.say(f"{millions} M: {name}: {cost['seconds']:.1f} s, {cost['memory_gb']:.2f} GB{failed}")

    if any("failed" in cost for cost in run_stages(project, log, done).values()):
        return
    command = [sys.executable, __file__, "--quality-of", project, "--data", data]
    evaluated = subprocess.run(command, capture_output=True, text=True)
    failed = evaluated.returncode != 0
    figures |= {"quality_failed": last_line(evaluated.stderr)} if failed else json.loads(evaluated.stdout)
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


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    parser.add_argument("--sizes", default="1,3,10,32", help="millions of interactions (default: 1,3,10,32)")
    folder_help = "for the data sets, by size, and the copy of the project (default: data/scale)"
    parser.add_argument("--folder", type=Path, default=_bench.ROOT / "data/scale", help=folder_help)
    parser.add_argument("--figure", type=Path, default=_bench.ROOT / "plots/scale.png", help="default: plots/scale.png")
    from_help = "measure nothing; draw the results of this JSON file"
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help=from_help)
    parser.add_argument("--quality-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quality_of:
        print(json.dumps(quality(args.quality_of, args.data)))
        return
    folder, source = args.folder.resolve(), args.source or args.out
    sizes = read_sizes(source) if args.source or source.exists() else {}
    if not args.source:
        _bench.bench_params(args.set)  # an error now, not after the data are generated
        folder.mkdir(parents=True, exist_ok=True)

        def save() -> None:
            _bench.write_result(args.out, {"sizes": sizes}, [SEED])

        for millions in sorted({f"{size:g}" for size in numbers(args.sizes)}, key=float):
            figures = sizes[millions] = {}
            try:
                measure_size(millions, folder, args.set, figures, save)
            except UserError as error:
                _bench.say(str(error))
    # Here and not above: what this process has loaded would count as the memory of the stages.
    from _scale_report import draw

    draw(sizes, args.figure)


def numbers(text: str) -> list[float]:
    """'1,3' as positive numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 < value < float("inf") for value in values):
        raise UserError(f"--sizes {text}: write millions of interactions, such as 1,3,10.")
    return values


def read_sizes(path: Path) -> dict[str, Any]:
    """The figures of an earlier run, by size."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["sizes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} has no results of this benchmark ({reason}).") from None


if __name__ == "__main__":
    _bench.run(main)
