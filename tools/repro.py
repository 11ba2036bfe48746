"""`make repro`: `dvc repro` on a data set that can be obtained, and a short summary at the end.

Plain `dvc repro` never changes the data set by itself; this does, with a message: where MovieLens 1M is neither in the
archives folder nor to be had from GroupLens, it sets `dataset: ml-100k` in params.yaml.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

import pandas as pd
from mending import mend_lock, mend_rwlock
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from movierec.datasets.download import reachable
from movierec.datasets.own_files import check_folder
from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError, check_is_file
from movierec.utils.params import read_params

FALLBACK = "ml-100k"
PARAMS, LOCK = Path("params.yaml"), Path("dvc.lock")
DVC = [sys.executable, "-m", "dvc"]


def main() -> int:
    check_is_file(LOCK)
    mend_rwlock(Path(".dvc/tmp/rwlock"))
    mend_lock(LOCK)
    params = read_params(PARAMS)
    check_folder(Path(params.data_path), ROOT, ROOT / "dvc.yaml")  # DVC's own message names no param
    dataset = params.dataset
    if dataset == "ml-1m" and not archive_of(dataset).exists() and not up_to_date("download"):
        reason = why_missing(dataset)
        if reason:
            missing = f"{RELEASES[dataset].title} can't be had ({reason})"
            print(f"{missing}: setting `dataset: {FALLBACK}` in {PARAMS}", flush=True)
            set_param("dataset", FALLBACK)
    done = subprocess.run([sys.executable, "tools/dvc_run.py", "repro"])
    if not done.returncode:
        summary()
    return done.returncode


def up_to_date(stage: str) -> bool:
    """Whether the outputs of a stage are there, or in DVC's cache."""

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([*DVC, *arguments, stage], capture_output=True, text=True)

    def unchanged() -> bool:
        status = run("status", "--json")
        return status.returncode == 0 and json.loads(status.stdout or "{}") == {}

    return unchanged() or (run("checkout").returncode == 0 and unchanged())


def archive_of(dataset: str) -> Path:
    """The place of a release's archive."""
    return Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives") / f"{dataset}.zip"


def why_missing(dataset: str) -> str | None:
    """The reason why a release can't be had, or None if it can."""
    archive = archive_of(dataset)
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


def other_files() -> list[str]:
    """The files of data/raw whose bytes are not those of the committed run, where that is of the same data set."""

    def raw(lock: dict) -> tuple[str, str]:
        stage = lock.get("stages", {}).get("download", {})
        of = stage.get("params", {}).get("params.yaml", {}).get("dataset", "")
        return of, next(iter(stage.get("outs", [])), {}).get("md5", "")

    shown = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, text=True)
    before, now = (raw(YAML(typ="safe").load(text) or {}) for text in (shown.stdout, LOCK.read_text(encoding="utf-8")))
    return sorted(path.name for path in Path("data/raw").iterdir()) if before[0] == now[0] and before != now else []


def summary() -> None:
    """Print the data set, the metrics, and the next steps."""
    params = read_params(PARAMS)
    title = RELEASES[params.dataset].title if params.dataset in RELEASES else params.data_path
    ndcg, recall = (json.loads(Path(f"metrics/test/{metric}@20.json").read_text()) for metric in ("ndcg", "recall"))
    n_ratings = json.loads(Path("metrics/data.json").read_text())["ratings"]["kept"]
    ratings = pd.read_parquet("data/clean/ratings.parquet", columns=["UserID", "MovieID"])
    n_users, n_movies = ratings["UserID"].nunique(), ratings["MovieID"].nunique()
    print(f"\n{title}: {n_users:,} users, {n_movies:,} movies, {n_ratings:,} ratings")
    if others := other_files():
        print(f"{', '.join(others)}: not the files of the committed run, so that figures and dvc.lock differ from it")
    table = Table()
    for column, justify in (("on test", "left"), ("NDCG@20", "right"), ("Recall@20", "right")):
        table.add_column(column, justify=justify)
    for name in ndcg:
        table.add_row("this model" if name == "model" else name, f"{ndcg[name]:.4f}", f"{recall[name]:.4f}")
    Console().print(table)
    user = pd.read_parquet("data/split/users.parquet")["UserID"].iloc[0]
    print("recommendations for all users: data/recommendations/recommendations.parquet")
    print("the same as a page for a browser: plots/recommendations.html")
    print("next, after `source .venv/bin/activate`:")
    print(f"  python -m movierec recommend --user {user} --top 10     recommendations for one user")
    print("  dvc exp run -S lr=0.003                 change a param; only the stages that it touches run")
    print("  dvc metrics diff && dvc plots diff      compare with the committed run")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make repro: {error}")
