"""The next item after one cut in time: python benchmarks/one_cut_in_time.py data/raw

The protocol of Gusak et al., 2025 (monkey0head/time-to-split), with users and items of 5 or more interactions. Test is
what comes after the 90% quantile of time; validation is each user's last item before it. The history is all that comes
before the target, and its items are left out of the ranking. There are four kinds of targets: of each user the last
one, the first one after the cut, and a random one (the expectation); and all of them. A user's very first item is no
target. The model is trained once, on what is before the cut.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _bench
import numpy as np
import pandas as pd
import scipy.sparse as sp
from next_item import baseline_figures, model_figures
from published_split import sizes_of
from write_sequences import raw_folder

from movierec.data.cleaning import clean
from movierec.data.engine import Engine
from movierec.data.layouts import read_folder
from movierec.data.positives import Positives
from movierec.interactions.history import Histories, Profiles
from movierec.interactions.matrix import Split, to_csr
from movierec.ranking.metrics import user_metrics
from movierec.ranking.topk import Scorer, best_unseen, chunks, evaluate

QUANTILE, CORE, FEWEST, K = 0.9, 5, 3, 10  # FEWEST items before the cut make a user of validation
METRICS = (f"ndcg@{K}", f"hit_rate@{K}")


def main() -> None:
    parser = _bench.parser(__doc__, "set", "seeds")
    parser.add_argument("source", type=Path, help="a folder such as data/raw, or a release's zip: ml-1m.zip")
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    seeds = args.seeds or [params.seed]
    data = Data(interactions(args.source))
    train, valid, test = data.matrices
    sizes = sizes_of(train, valid, test) | {"test_users": len(np.unique(data.of_target)), "targets": len(data.targets)}
    _bench.say(", ".join(f"{name} {size:,}" for name, size in sizes.items()))

    def measure(scorers: Callable[[Profiles], Scorer]) -> dict[str, Any]:
        """The figures of the scorer for the profiles before each target: at the top those of the last ones."""
        began = time.perf_counter()
        figures = data.figures(scorers)
        seconds = round(time.perf_counter() - began, 3)
        on_valid = evaluate(scorers(data.profiles["valid"]), train, train, valid, [K])
        return (
            figures.pop("last")
            | figures
            | {"valid": {of: round(on_valid[of], 6) for of in METRICS}, "evaluate_seconds": seconds}
        )

    result = {"data": sizes, "params": params.model_dump()}
    result["model"] = _bench.over_seeds(seeds, lambda seed: model_figures(data, params, seed, measure))
    _bench.write_result(args.out, result | baseline_figures(data, params, measure), seeds)


def interactions(source: Path) -> pd.DataFrame:
    """All ratings of users and movies with `CORE` of them, by user and time: user, item, rating, timestamp.

    Ratings of the same second are in the order of the file, as in the protocol.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Engine(Path(name, "scratch"))) as engine:
        folder = Path(name)
        clean(read_folder(raw_folder(source, folder)), 0, folder)
        positives = Positives(engine, folder / "ratings.parquet", min_rating=0, k_core=CORE)
        return pd.concat(positives.batches(in_time=True, ties="file"), ignore_index=True)


class Data:
    """The interactions before the cut, split into train and validation, and the targets after it."""

    def __init__(self, ratings: pd.DataFrame):
        """`ratings` are sorted by user and time: user, item, rating, timestamp."""
        n_users, self.n_items = (int(ratings[side].max()) + 1 for side in ("user", "item"))
        user, self.item = ratings["user"].to_numpy(), ratings["item"].to_numpy()
        after = ratings["timestamp"].to_numpy() > ratings["timestamp"].quantile(QUANTILE)
        self.begin = np.searchsorted(user, np.arange(n_users))  # of each user's interactions
        n_before = np.bincount(user[~after], minlength=n_users)
        place = np.arange(len(user)) - self.begin[user]
        is_valid = (place == n_before[user] - 1) & (n_before[user] >= FEWEST)
        parts = [ratings[of] for of in (~after & ~is_valid, is_valid, after)]
        self.matrices = Split(*(to_csr(part, n_users, self.n_items) for part in parts))
        known = Profiles.from_interactions(n_users, self.n_items, parts[:1], rating_power=0.0)
        everything = Profiles.from_interactions(n_users, self.n_items, [ratings], rating_power=0.0)
        self.profiles = {"valid": known, "test": everything}
        self.is_known = known.histories.lengths > 0  # (n_users,)
        self.targets = np.flatnonzero(after & (place > 0))  # places in `item`
        self.of_target = user[self.targets]

    def before(self, some: np.ndarray) -> Profiles:
        """The profiles before n of the targets."""
        places, users = self.targets[some], self.of_target[some]
        lengths = places - self.begin[users]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        items = self.item[np.repeat(self.begin[users] - indptr[:-1], lengths) + np.arange(indptr[-1])].astype(np.int32)
        row = np.repeat(np.arange(len(some)), lengths)
        matrix = sp.csr_matrix((np.ones(len(items), np.float32), (row, items)), shape=(len(some), self.n_items))
        return Profiles(matrix, Histories(indptr, items), np.where(self.is_known[users], users, -1))

    def figures(self, scorers: Callable[[Profiles], Scorer]) -> dict[str, dict[str, float]]:
        """The metrics by kind of target, of the scorer for some profiles."""
        found = []
        for at in chunks(len(self.targets), self.n_items):
            some = np.arange(at.start, at.stop)
            profiles = self.before(some)
            ranked, _ = best_unseen(scorers(profiles)(np.arange(len(some))), profiles.matrix, K)
            one = (np.ones(len(some), np.float32), self.item[self.targets[some]], np.arange(len(some) + 1))
            found.append(pd.DataFrame(user_metrics(ranked, sp.csr_matrix(one, shape=profiles.matrix.shape), [K])))
        by_target = pd.concat(found, ignore_index=True)[list(METRICS)]
        by_user = by_target.groupby(self.of_target)
        kinds = {"last": by_user.last(), "random": by_user.mean(), "successive": by_target, "first": by_user.first()}
        return {kind: of.mean().round(6).to_dict() for kind, of in kinds.items()}


if __name__ == "__main__":
    _bench.run(main)
