"""The pipeline under other protocols: python benchmarks/protocols.py

Runs the stages from `clean` to `evaluate` on data/raw (`dvc repro download` makes it) in a temporary copy of the
project, with other params: test metrics of the model and of the baselines. The first row is the pipeline's own run.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import _bench
from _project import copy_project, run_stages

from movierec.utils.errors import UserError

TENTHS = ("valid_fraction=0.1", "test_fraction=0.1")
PROTOCOLS: tuple[tuple[str, ...], ...] = (
    ("min_rating=0.5", *TENTHS),
    ("min_rating=4", "k_core=20", *TENTHS),
    ("split_strategy=leave_one_out",),
    ("split_strategy=user_temporal",),
    ("split_strategy=global_temporal",),
    ("split_strategy=global_temporal", *TENTHS),
)
METRICS = ("ndcg@20", "recall@20")
SKIPPED = ("own-data", "download", "draw", "catalogue", "recommend", "page", "newcomers", "evaluate-newcomers")


def main() -> None:
    args = _bench.parser(__doc__, "set").parse_args()
    rows = [{"settings": []} | metrics_of(_bench.ROOT)]
    for settings in PROTOCOLS:
        rows.append({"settings": list(settings)} | figures([*args.set, *settings]))
        _bench.write_result(args.out, {"rows": rows}, [_bench.bench_params(args.set).seed])


def figures(settings: list[str], raw: Path = _bench.ROOT / "data/raw") -> dict[str, Any]:
    """The test metrics by model under some settings, and the seconds of the stages.

    Raises:
        UserError: the data are missing, or a stage fails.
    """
    if not raw.is_dir():
        raise UserError(f"{raw} is missing; `dvc repro download` makes it.")
    with tempfile.TemporaryDirectory() as scratch:
        project, log = Path(scratch) / "project", Path(scratch) / "log"
        copy_project(project, settings)
        (project / "data/raw").symlink_to(raw)

        def done(name: str, cost: dict[str, Any]) -> None:
            if "failed" in cost:
                raise UserError(f"{' '.join(settings)}: {cost['failed']}")
            _bench.say(f"{' '.join(settings)}: {name}: {cost['seconds']:.1f} s")

        costs = run_stages(project, log, done, SKIPPED)
        return metrics_of(project) | {"seconds": round(sum(cost["seconds"] for cost in costs.values()), 1)}


def metrics_of(project: Path) -> dict[str, Any]:
    """The test metrics of a run, by model."""
    return {name: json.loads((project / f"metrics/test/{name}.json").read_text()) for name in METRICS}


if __name__ == "__main__":
    _bench.run(main)
