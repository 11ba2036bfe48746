"""What comes next, leave-one-out: python benchmarks/next_item.py --sequences FILE

FILE holds a line per interaction, `user item`, in each user's order of time (`write_sequences.py` makes it
from MovieLens 1M). Each user's last item is test, the one before it validation; all items are ranked, those
seen before left out. Choices are made on validation, test is looked at once. Prints one JSON object.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _bench
import numpy as np
import pandas as pd
import torch

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_item_knn, fit_markov, fit_popularity
from movierec.edges import graph_arrays
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.history import History, Known, known_by
from movierec.interactions import Split, to_csr
from movierec.model import train_model, train_next
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings
from movierec.ranking import Scorer, evaluate
from movierec.splitting import Strategy, split
from movierec.training import Epoch, Settings

FIGURES = ("ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=Path, required=True, metavar="FILE", help="a line per interaction: user item")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param, instead of params.yaml's; may be repeated")
    parser.add_argument("--seeds", default=None, metavar="1,2,3", help="train once for each (default: the seed of params.yaml)")
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    seeds = [params["seed"]] if args.seeds is None else [int(seed) for seed in args.seeds.split(",")]
    interactions = read_sequences(args.sequences)
    data = Data(interactions)
    train, valid, test = data.matrices
    _bench.say(f"{train.shape[0]:,} users, {train.shape[1]:,} items; train {train.nnz:,}, valid {valid.nnz:,}, test {test.nnz:,}")

    def measure(scorers: Callable[[Known, Any], Scorer]) -> dict[str, Any]:
        """Test and validation figures of scores from what is known before each."""
        began = time.perf_counter()
        figures = chosen(evaluate(scorers(data.known["test"]), train + valid, train + valid, test, (10, 20)))
        seconds = time.perf_counter() - began
        on_valid = chosen(evaluate(scorers(data.known["valid"]), train, train, valid, (10, 20)))
        return figures | {"valid": on_valid, "evaluate_seconds": round(seconds, 3)}

    result = {"model": _bench.over_seeds(seeds, lambda seed: model_figures(data, params, seed, measure))}
    result |= baseline_figures(data, params, measure)
    print(json.dumps(result | {"params": params} | _bench.surroundings(), indent=1))


class Data:
    """The interactions, split, and what is known before each part."""

    def __init__(self, interactions: pd.DataFrame):
        self.shape = tuple(int(interactions[side].max()) + 1 for side in ("user", "item"))
        parts = split(interactions, Strategy("leave_one_out", 0.1, 0.1), 0)
        self.matrices = Split(*(to_csr(part, *self.shape) for part in parts))
        self.known = {
            "valid": known_by(*self.shape, [parts.train], rating_power=0.0),
            "test": known_by(*self.shape, [parts.train, parts.valid], rating_power=0.0),
        }


def model_figures(data: Data, params: dict, seed: int, measure: Callable) -> dict[str, Any]:
    """The model's figures with one seed."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # torch imports a second's worth of modules at the first optimiser
    (n_users, n_items), (train, valid, _) = data.shape, data.matrices

    def report(epoch: Epoch) -> None:
        _bench.say(f"seed {seed}, epoch {epoch.epoch}: loss {epoch.loss:.4f}, valid NDCG@20 {epoch.valid_ndcg:.4f}")

    began = time.perf_counter()
    graph = Graph(graph_arrays(train, np.zeros((n_users, 0), np.int8), np.zeros((n_items, 0), np.int8)))
    settings = Settings(**{name: params[name] for name in Settings._fields} | {"seed": seed})
    sizes = (params["embedding_dim"], params["n_layers"], params["kernel_max_nodes"])
    taste = train_model(graph, train, valid, *sizes, 0.0, 0.0, settings, report, known=data.known["valid"]).model
    network = NextMovie(n_items, params["half_lives"], params["next_dim"], params["next_hidden"], params["next_temperature"])
    next_settings = NextSettings(*(params[f"next_{name}"] for name in NextSettings._fields[:-1]), seed)
    model = train_next(taste, graph, data.known["valid"], train, valid, network, next_settings, report).model
    fitted = round(time.perf_counter() - began, 3)
    figures = measure(lambda known: model.scorer(graph, known)) | {"fit_seconds": fitted, "shares": list(model.shares)}
    figures["new_event_ms"] = new_event_ms(network, data.known["test"].history)
    _bench.say(f"seed {seed}: test NDCG@10 {figures['ndcg@10']:.4f}, hit rate@10 {figures['hit_rate@10']:.4f} ({fitted:.1f} s)")
    return figures


def new_event_ms(network: NextMovie, past: History, repeats: int = 200) -> float:
    """Milliseconds, the median, to take in one more movie of one user and to score all movies anew."""
    times = []
    with torch.no_grad():
        state = network.states(past.of(np.array([0])))
        for item in np.resize(np.arange(len(network.end)), repeats):
            began = time.perf_counter()
            state = network.after(state, torch.tensor([item]))
            network.scores(state)
            times.append(time.perf_counter() - began)
    return round(1000 * float(np.median(times)), 3)


def baseline_figures(data: Data, params: dict, measure: Callable) -> dict[str, Any]:
    """The baselines' figures; `fit_seconds` includes the search for the best numbers on validation."""
    fitting = Fitting(data.matrices.train, data.known["valid"].history, data.matrices.valid, _bench.say)
    fits = {
        "EASE": lambda: fit_ease(fitting, params["ease_lambdas"], params["ease_max_items"]),
        "item-kNN": lambda: fit_item_knn(fitting, params["knn_neighbors"], params["knn_shrinkage"]),
        "Markov chain": lambda: fit_markov(fitting),
        "popularity": lambda: fit_popularity(fitting),
    }
    arrays, seconds = {}, {}
    for name, fit in fits.items():
        began = time.perf_counter()
        arrays |= fit()
        seconds[name] = round(time.perf_counter() - began, 3)

    def scorer(known: Known, name: str) -> Scorer:
        return baseline_scorers(arrays, known.matrix, known.history)[name]

    names = baseline_scorers(arrays, data.known["valid"].matrix, data.known["valid"].history)
    return {name: measure(lambda known, name=name: scorer(known, name)) | {"fit_seconds": seconds[name]} for name in names}


def chosen(values: dict[str, float]) -> dict[str, float]:
    """The metrics that the benchmark reports, rounded."""
    return {name: round(values[name], 6) for name in FIGURES}


def read_sequences(path: Path) -> pd.DataFrame:
    """Interactions in each user's order of time; ids are numbered in the order of their values.

    An item that a user has twice counts once, where it stands first.

    Raises:
        UserError: the file is missing or empty, or a line is not two whole numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; --sequences needs a file with a line per interaction, 'user item'.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                user, item = map(int, line.split())
            except ValueError:
                raise UserError(f"{path}, line {number}: '{line[:60]}' is not 'user item', two whole numbers.") from None
            rows.append((user, item))
    if not rows:
        raise UserError(f"{path} holds no interaction.")
    frame = pd.DataFrame(rows, columns=["user", "item"]).drop_duplicates()
    repeated = len(rows) - len(frame)
    if repeated:
        _bench.say(f"{repeated:,} lines repeat an earlier one, and are left out")
    for side in ("user", "item"):
        frame[side] = np.unique(frame[side], return_inverse=True)[1].astype(np.int32)
    return frame.sort_values("user", kind="stable", ignore_index=True).assign(rating=np.float32(1), timestamp=0)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"next_item: {error}")
