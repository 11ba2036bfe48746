"""What `make repro` runs: `dvc repro` on a data set that can be had, and a short summary at the end.

Plain `dvc repro` never changes the data set by itself; this does, and says so: where MovieLens 1M can
be had neither from the archives folder nor from GroupLens, it sets `dataset: ml-100k` in params.yaml.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from ruamel.yaml import YAML  # noqa: E402

from movierec.archives import reachable  # noqa: E402
from movierec.errors import UserError  # noqa: E402
from movierec.movielens import RELEASES  # noqa: E402
from movierec.params import read_params, read_yaml  # noqa: E402

FALLBACK = "ml-100k"
PARAMS, LOCK = Path("params.yaml"), Path("dvc.lock")


def main() -> int:
    mend_lock()
    dataset = read_params(PARAMS, ("dataset",)).dataset
    if dataset == "ml-1m" and not up_to_date("download"):
        reason = why_missing(dataset)
        if reason:
            print(f"{RELEASES[dataset].title} can't be had ({reason}): setting `dataset: {FALLBACK}` in {PARAMS}", flush=True)
            set_param("dataset", FALLBACK)
            dataset = FALLBACK
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"])
    if done.returncode:
        return done.returncode
    summary(dataset)
    return 0


def mend_lock() -> None:
    """Put dvc.lock back as it was committed where it is cut off: DVC writes it in place, and a kill in that moment leaves a part of it."""
    try:
        stages = read_yaml(LOCK)["stages"].values() if LOCK.exists() else ()
        if all({"cmd", "deps", "outs"} <= set(stage) and all(len(of) >= 4 for key in ("deps", "outs") for of in stage[key]) for stage in stages):
            return
    except (UserError, KeyError, TypeError, AttributeError):
        pass
    print(f"{LOCK} is cut off, as after a kill while DVC wrote it: taking the committed one; what has run since comes from DVC's run cache", flush=True)
    if subprocess.run(["git", "checkout", "-q", "--", str(LOCK)]).returncode:
        LOCK.unlink()


def up_to_date(stage: str) -> bool:
    """Whether a stage's outputs are there, or in DVC's cache."""
    status = subprocess.run([sys.executable, "-m", "dvc", "status", "--json", stage], capture_output=True, text=True)
    if status.returncode == 0 and json.loads(status.stdout or "{}") == {}:
        return True
    checkout = subprocess.run([sys.executable, "-m", "dvc", "checkout", stage], capture_output=True, text=True)
    again = subprocess.run([sys.executable, "-m", "dvc", "status", "--json", stage], capture_output=True, text=True)
    return checkout.returncode == again.returncode == 0 and json.loads(again.stdout or "{}") == {}


def why_missing(dataset: str) -> str | None:
    """Why a release can't be had, or None."""
    archive = Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives") / f"{dataset}.zip"
    if archive.exists():
        return None
    reason = reachable(RELEASES[dataset].url)
    return reason and f"no {archive}, and {RELEASES[dataset].url}: {reason}"


def set_param(key: str, value: str, path: Path = PARAMS) -> None:
    """Change one value of a params.yaml; comments and the rest stay as they are."""
    yaml = YAML()
    yaml.width = 1000
    values = yaml.load(path)
    values[key] = value
    partial = path.with_suffix(".partial")
    yaml.dump(values, partial)
    partial.replace(path)


def summary(dataset: str) -> None:
    """The table that the run ends with."""
    title = RELEASES[dataset].title if dataset in RELEASES else read_params(PARAMS, ("data_path",)).data_path
    ndcg, recall = (json.loads(Path(f"metrics/test/{metric}@20.json").read_text()) for metric in ("ndcg", "recall"))
    n_ratings = json.loads(Path("metrics/data.json").read_text())["ratings"]["kept"]
    ratings = pd.read_parquet("data/clean/ratings.parquet", columns=["UserID", "MovieID"])
    print(f"\n{title}: {ratings['UserID'].nunique():,} users, {ratings['MovieID'].nunique():,} movies, {n_ratings:,} ratings")
    table = Table()
    for column, justify in (("on test", "left"), ("NDCG@20", "right"), ("Recall@20", "right")):
        table.add_column(column, justify=justify)
    for name in ndcg:
        table.add_row("this model" if name == "model" else name, f"{ndcg[name]:.4f}", f"{recall[name]:.4f}")
    Console().print(table)
    user = pd.read_parquet("data/split/users.parquet")["UserID"].iloc[0]
    print("recommendations for all users: data/recommendations/recommendations.parquet; to look at: plots/recommendations.html")
    print("next, after `source .venv/bin/activate`:")
    print(f"  python stages/recommend.py --user {user} --top 10     what it recommends to someone")
    print("  dvc exp run -S lr=0.003                         change a param; only what it touches runs")
    print("  dvc metrics diff && dvc plots diff              compare with the committed run")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make repro: {error}")
