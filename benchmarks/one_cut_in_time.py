"""The next item after one cut in time: python benchmarks/one_cut_in_time.py data/raw

The protocol of Gusak et al., 2025 (monkey0head/time-to-split), with users and items of 5 or more interactions. Test is
what comes after the 90% quantile of time; validation is each user's last item before it. The history is all that comes
before the target, and its items are left out of the ranking. There are four kinds of targets: of each user the last
one, the first one after the cut, and a random one (the expectation); and all of them. A user's very first item is no
target. The model is trained once, on what is before the cut.

By default, what comes next is asked right after the last item. Two more rows of the model know more: `at_cut` is asked
at the cut, where the last item is before it; `known_moment` at the target's own time.
"""

import contextlib
import functools
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
from movierec.interactions.matrix import Split, to_csr
from movierec.interactions.profiles import Profiles
from movierec.model.trend import Trend
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

    def measure(scorers: Callable[[Profiles], Scorer], in_time: bool = False) -> dict[str, Any]:
        """The figures of the scorer for the profiles before each target: at the top those of the last ones."""
        began = time.perf_counter()
        figures = data.figures(scorers)
        seconds = round(time.perf_counter() - began, 3)
        on_valid = evaluate(scorers(data.profiles["valid"]), train, train, valid, [K])
        figures |= {"valid": {of: round(on_valid[of], 6) for of in METRICS}, "evaluate_seconds": seconds}
        if in_time:
            figures |= {"at_cut": {"first": data.figures(scorers, "at_cut", data.is_first)["first"]}}
            figures |= {"known_moment": data.figures(scorers, "known_moment")}
        return figures.pop("last") | figures

    result = {"data": sizes, "params": params.model_dump()}
    of_model = functools.partial(measure, in_time=True)
    result["model"] = _bench.over_seeds(seeds, lambda seed: model_figures(data, params, seed, of_model))
    baselines = baseline_figures(data, params, measure) | trend_figures(data, measure)
    _bench.write_result(args.out, result | baselines, seeds)


def trend_figures(data: "Data", measure: Callable) -> dict[str, Any]:
    """The figures of what all users watched lately, and of what they watched first after a break."""
    figures = {}
    for name, returns in (("popularity", False), ("first items after a break", True)):
        for days in (7, 30):
            trend = Trend.of(data.profiles["valid"].histories, data.n_items, days, returns=returns)
            figures[f"{name}, half-life {days} days"] = measure(lambda of, trend=trend: trend.scorer(of.histories))
    return figures


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
        self.time = ratings["timestamp"].to_numpy()
        self.cut = int(ratings["timestamp"].quantile(QUANTILE))
        after = self.time > self.cut
        self.begin = np.searchsorted(user, np.arange(n_users))  # of each user's interactions
        n_before = np.bincount(user[~after], minlength=n_users)
        place = np.arange(len(user)) - self.begin[user]
        is_valid = (place == n_before[user] - 1) & (n_before[user] >= FEWEST)
        parts = [ratings[of] for of in (~after & ~is_valid, is_valid, after)]
        self.matrices = Split(*(to_csr(part, n_users, self.n_items) for part in parts))
        known = Profiles.from_interactions(n_users, self.n_items, parts[:1], rating_power=0.0)
        everything = Profiles.from_interactions(n_users, self.n_items, [ratings], rating_power=0.0)
        before = Profiles.from_interactions(n_users, self.n_items, parts[:2], rating_power=0.0)
        self.profiles = {"valid": known, "later": before, "test": everything}
        self.is_known = known.histories.lengths > 0  # (n_users,)
        self.targets = np.flatnonzero(after & (place > 0))  # places in `item`
        self.of_target = user[self.targets]
        self.is_first = np.append(True, np.diff(self.of_target) > 0)  # of each user's targets

    def before(self, some: np.ndarray, moment: str = "") -> Profiles:
        """The profiles before n of the targets, asked at the `moment`: at_cut, known_moment, or right after."""
        places, users = self.targets[some], self.of_target[some]
        histories = self.profiles["test"].histories.of(users, places - self.begin[users])
        if moment == "at_cut":
            histories = histories.asked_at(self.cut)
        elif moment == "known_moment":
            histories = histories.asked_at(self.time[places], exactly=True)
        entries = np.ones(len(histories.items), np.float32), (histories.users, histories.items)
        matrix = sp.csr_matrix(entries, shape=(len(some), self.n_items))
        return Profiles(matrix, histories, np.where(self.is_known[users], users, -1))

    def figures(
        self, scorers: Callable[[Profiles], Scorer], moment: str = "", targets: np.ndarray | None = None
    ) -> dict[str, dict[str, float]]:
        """The metrics by kind of target, of the scorer for some profiles; of all `targets`, or those that are True."""
        found, chosen = [], np.flatnonzero(np.ones(len(self.targets), bool) if targets is None else targets)
        for at in chunks(len(chosen), self.n_items):
            some = chosen[at]
            profiles = self.before(some, moment)
            ranked, _ = best_unseen(scorers(profiles)(np.arange(len(some))), profiles.matrix, K)
            one = (np.ones(len(some), np.float32), self.item[self.targets[some]], np.arange(len(some) + 1))
            found.append(pd.DataFrame(user_metrics(ranked, sp.csr_matrix(one, shape=profiles.matrix.shape), [K])))
        by_target = pd.concat(found, ignore_index=True)[list(METRICS)]
        by_user = by_target.groupby(self.of_target[chosen])
        kinds = {"last": by_user.last(), "random": by_user.mean(), "successive": by_target, "first": by_user.first()}
        return {kind: of.mean().round(6).to_dict() for kind, of in kinds.items()}


if __name__ == "__main__":
    _bench.run(main)
