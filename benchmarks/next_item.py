"""Next-item prediction, leave-one-out: python benchmarks/next_item.py --sequences FILE

FILE has a line per interaction, `user item` and, where they are known, `time` in seconds, in the order of time for each
user (write_sequences.py makes it from MovieLens 1M). Each user's last item is test, the one before it validation; all
unseen items are ranked. All choices are made on validation; test is evaluated once.

What comes next is asked right after the last item; with `known_moment`, at the target's own time.
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _bench
import numpy as np
import pandas as pd
import torch
from published_split import import_optimisers, sizes_of, without_feature_weights, without_features

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_item_knn, fit_markov, fit_popularity
from movierec.data.splitting import Membership, Strategy, parts_of_users
from movierec.interactions.histories import Histories
from movierec.interactions.matrix import Split, to_csr
from movierec.interactions.profiles import Profiles
from movierec.model.fit import fit
from movierec.model.next_movie import NextMovie
from movierec.ranking.topk import Scorer, evaluate
from movierec.utils.errors import UserError
from movierec.utils.params import Params

FIGURES = ("ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20")
LEAVE_ONE_OUT = Strategy("leave_one_out", valid_fraction=0.1, test_fraction=0.1)  # which ignores the fractions


def main() -> None:
    parser = _bench.parser(__doc__, "set", "seeds")
    lines = "a line per interaction: user item, or user item time"
    parser.add_argument("--sequences", type=Path, required=True, metavar="FILE", help=lines)
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    seeds = args.seeds or [params.seed]
    data = Data(read_sequences(args.sequences))
    train, valid, test = data.matrices
    sizes = sizes_of(train, valid, test)
    _bench.say(", ".join(f"{name} {size:,}" for name, size in sizes.items()))

    def measure(scorers: Callable[[Profiles], Scorer], known_moment: bool = False) -> dict[str, Any]:
        """The test and validation figures of the scorer for the profiles before each of them."""

        def at_test(profiles: Profiles) -> dict[str, float]:
            return chosen(evaluate(scorers(profiles), train + valid, train + valid, test, (10, 20)))

        began = time.perf_counter()
        figures: dict[str, Any] = at_test(data.profiles["test"])
        seconds = round(time.perf_counter() - began, 3)
        on_valid = chosen(evaluate(scorers(data.profiles["valid"]), train, train, valid, (10, 20)))
        figures |= {"valid": on_valid, "evaluate_seconds": seconds}
        return figures | ({"known_moment": at_test(data.at_test_times)} if known_moment else {})

    result = {"data": sizes, "params": params.model_dump()}
    of_model = functools.partial(measure, known_moment=data.has_times)
    result["model"] = _bench.over_seeds(seeds, lambda seed: model_figures(data, params, seed, of_model))
    _bench.write_result(args.out, result | baseline_figures(data, params, measure), seeds)


class Data:
    """The split of the interactions, and the users' profiles before validation and before test."""

    def __init__(self, interactions: pd.DataFrame):
        self.shape = tuple(int(interactions[side].max()) + 1 for side in ("user", "item"))
        parts = split(interactions, *self.shape)
        self.matrices = Split(*(to_csr(part, *self.shape) for part in parts))
        self.profiles = {"valid": self._profiles(parts.train), "test": self._profiles(parts.train, parts.valid)}
        self.profiles["later"] = self.profiles["test"]
        self.has_times = bool(interactions["timestamp"].any())
        everything = self._profiles(*parts).histories
        histories = self.profiles["test"].histories.asked_at_next(everything, exactly=True)
        self.at_test_times = self.profiles["test"]._replace(histories=histories)

    def _profiles(self, *parts: pd.DataFrame) -> Profiles:
        return Profiles.from_interactions(*self.shape, list(parts), rating_power=0.0)


def split(interactions: pd.DataFrame, n_users: int, n_items: int) -> Split:
    """Leave-one-out, of interactions that are sorted by user and time; a UserError if a part is empty."""
    part = parts_of_users(interactions["user"].to_numpy(), LEAVE_ONE_OUT, np.random.default_rng(0))
    tables = Split(*(interactions[part == number].reset_index(drop=True) for number in range(3)))
    members = Membership(n_users, n_items)
    for number, table in enumerate(tables):
        members.add(number, table)
    members.check(LEAVE_ONE_OUT)
    return tables


def model_figures(data: Data, params: Params, seed: int, measure: Callable) -> dict[str, Any]:
    """The figures of the model with one seed."""
    import_optimisers()
    train, valid, _ = data.matrices
    began = time.perf_counter()
    arrays, of_seed = without_features(train), without_feature_weights(params, seed)
    options: dict[str, Any] = {"profiles": data.profiles["valid"], "later": data.profiles["later"]}
    options["say"] = lambda text: _bench.say(f"seed {seed}: {text}")
    model = fit(arrays, valid, of_seed, **options).model
    seconds = round(time.perf_counter() - began, 3)
    figures = measure(model.scorer) | {"fit_seconds": seconds, "shares": [list(of) for of in model.shares]}
    figures["new_event_ms"] = new_event_ms(model.next, data.profiles["test"].histories)
    on_test = f"test NDCG@10 {figures['ndcg@10']:.4f}, hit rate@10 {figures['hit_rate@10']:.4f}"
    _bench.say(f"seed {seed}: {on_test} ({seconds:.1f} s)")
    return figures


def new_event_ms(network: NextMovie, histories: Histories, repeats: int = 200) -> float:
    """The median time to update one user's state with one more movie and to score all movies, in milliseconds."""
    times = []
    with torch.no_grad():
        of_one, ends = histories.of(np.array([0])), network.unit_ends()
        state = network.states(of_one)
        for item in np.resize(np.arange(len(network.end)), repeats):
            began = time.perf_counter()
            state = network.after(state, torch.tensor([item]))
            network.scores(state, of_one, ends)
            times.append(time.perf_counter() - began)
    return round(1000 * float(np.median(times)), 3)


def baseline_figures(data: Data, params: Params, measure: Callable) -> dict[str, Any]:
    """The figures of the baselines; `fit_seconds` includes the search for their best settings on validation."""
    fitting = Fitting(data.matrices.train, data.profiles["valid"].histories, data.matrices.valid, _bench.say)
    fits = {
        "EASE": lambda: fit_ease(fitting, params.ease),
        "item-kNN": lambda: fit_item_knn(fitting, params.knn),
        "Markov chain": lambda: fit_markov(fitting),
        "popularity": lambda: fit_popularity(fitting),
    }
    arrays, seconds = {}, {}
    for name, fit_baseline in fits.items():
        began = time.perf_counter()
        arrays |= fit_baseline()
        seconds[name] = round(time.perf_counter() - began, 3)

    def scorers(profiles: Profiles) -> dict[str, Scorer]:
        return baseline_scorers(arrays, profiles.matrix, profiles.histories)

    def figures(name: str) -> dict[str, Any]:
        return measure(lambda profiles: scorers(profiles)[name]) | {"fit_seconds": seconds[name]}

    return {name: figures(name) for name in scorers(data.profiles["valid"])}


def chosen(values: dict[str, float]) -> dict[str, float]:
    """The metrics that are kept, rounded."""
    return {name: round(values[name], 6) for name in FIGURES}


def read_sequences(path: Path) -> pd.DataFrame:
    """The interactions, sorted by user and time; indices are in the order of the ids.

    An item that a user has twice counts once, at its first place.

    Raises:
        UserError: the file is missing or empty, or a line is not two whole numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        needed = "--sequences needs a file with a line per interaction, 'user item'"
        raise UserError(f"{path} is missing; {needed}.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                user, item, *at = map(int, line.split())
                (at_time,) = at or [0]
            except ValueError:
                expected = "'user item' or 'user item time', whole numbers"
                raise UserError(f"{path}, line {number}: '{line[:60]}' is not {expected}.") from None
            rows.append((user, item, at_time))
    if not rows:
        raise UserError(f"{path} has no interactions.")
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"]).drop_duplicates(["user", "item"])
    if repeated := len(rows) - len(frame):
        _bench.say(f"repeated interactions, left out: {repeated:,}")
    for side in ("user", "item"):
        frame[side] = np.unique(frame[side], return_inverse=True)[1].astype(np.int32)
    return frame.sort_values("user", kind="stable", ignore_index=True).assign(rating=np.float32(1))


if __name__ == "__main__":
    _bench.run(main)
