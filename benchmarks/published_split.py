"""The model, EASE and popularity on a published split: python benchmarks/published_split.py --split DIR

DIR holds train.txt, valid.txt and test.txt; a line is a user id and the ids of that user's items,
separated by blanks. Choices are made on valid, test is looked at once. Prints one JSON object.
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
import scipy.sparse as sp
import torch

from movierec.baselines import ease, gram, linear_scorer, popularity, popularity_scorer
from movierec.edges import graph_arrays
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.model import train_model
from movierec.params import MASKS
from movierec.ranking import Scorer, evaluate
from movierec.training import Settings

CUTOFFS = (10, 20, 40)
METRICS = ("recall", "ndcg", "precision", "hit_rate", "mrr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", type=Path, required=True, metavar="DIR", help="folder with train.txt, valid.txt and test.txt")
    parser.add_argument("--mask", choices=MASKS, default="train", help="what is left out of the rankings at test (default: train)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param, instead of params.yaml's; may be repeated")
    parser.add_argument("--seeds", default=None, metavar="1,2,3", help="train once for each (default: the seed of params.yaml)")
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    seeds = [params["seed"]] if args.seeds is None else [int(seed) for seed in args.seeds.split(",")]
    train, valid, test = read_split(args.split)
    seen = train if args.mask == "train" else train + valid
    _bench.say(f"{train.shape[0]:,} users, {train.shape[1]:,} items; train {train.nnz:,}, valid {valid.nnz:,}, test {test.nnz:,}")

    def measure(scorer: Scorer) -> dict[str, Any]:
        began = time.perf_counter()
        figures = chosen(evaluate(scorer, train, seen, test, CUTOFFS))
        seconds = time.perf_counter() - began
        return figures | {"valid": chosen(evaluate(scorer, train, train, valid, CUTOFFS)), "evaluate_seconds": round(seconds, 3)}

    result = {"model": _bench.over_seeds(seeds, lambda seed: model_figures(train, valid, params, seed, measure))}
    result["EASE"] = ease_figures(train, valid, params, measure)
    began = time.perf_counter()
    counts = popularity(train)
    fitted = round(time.perf_counter() - began, 3)
    result["popularity"] = measure(popularity_scorer(counts)) | {"fit_seconds": fitted}
    print(json.dumps(result | {"params": params, "mask": args.mask} | _bench.surroundings(), indent=1))


def model_figures(train: sp.csr_matrix, valid: sp.csr_matrix, params: dict, seed: int, measure: Callable) -> dict[str, Any]:
    """The model's figures with one seed."""
    n_users, n_items = train.shape
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # torch imports a second's worth of modules at the first optimiser
    began = time.perf_counter()
    graph = Graph(graph_arrays(train, np.zeros((n_users, 0), np.int8), np.zeros((n_items, 0), np.int8)))
    settings = Settings(**{name: params[name] for name in Settings._fields} | {"seed": seed})
    trained = train_model(
        graph, train, valid, params["embedding_dim"], params["n_layers"], params["kernel_max_nodes"], 0.0, 0.0, settings,
        report=lambda epoch: _bench.say(f"seed {seed}, epoch {epoch.epoch}: loss {epoch.loss:.4f}, valid NDCG@20 {epoch.valid_ndcg:.4f}"),
    )  # fmt: skip
    fitted = round(time.perf_counter() - began, 3)
    figures = measure(trained.model.scorer(graph)) | {"fit_seconds": fitted, "best_epoch": trained.best.epoch, "mix": list(trained.model.mix)}
    _bench.say(f"seed {seed}: test NDCG@20 {figures['ndcg@20']:.4f}, Recall@20 {figures['recall@20']:.4f} ({fitted:.1f} s)")
    return figures


def ease_figures(train: sp.csr_matrix, valid: sp.csr_matrix, params: dict, measure: Callable) -> dict[str, Any]:
    """EASE with the lambda that is best on valid; `fit_seconds` is one fit with one lambda."""
    if train.shape[1] > params["ease_max_items"]:
        raise UserError(f"{train.shape[1]:,} items are too many for EASE (ease_max_items is {params['ease_max_items']:,}).")
    began = time.perf_counter()
    gram_matrix = gram(train)
    gram_seconds = time.perf_counter() - began
    best, kept, regularisation, fits = -1.0, None, 0.0, []
    for candidate in sorted(params["ease_lambdas"]):  # until more does not help
        began = time.perf_counter()
        weights = ease(gram_matrix, candidate)
        fits.append(gram_seconds + time.perf_counter() - began)
        ndcg = evaluate(linear_scorer(train, weights), train, train, valid, [20])["ndcg@20"]
        _bench.say(f"EASE, lambda {candidate:g}: valid NDCG@20 {ndcg:.4f} ({fits[-1]:.2f} s)")
        if ndcg <= best:
            break
        best, kept, regularisation = ndcg, weights, candidate
    return measure(linear_scorer(train, kept)) | {"fit_seconds": round(float(np.median(fits)), 3), "lambda": regularisation}


def chosen(values: dict[str, float]) -> dict[str, float]:
    """The metrics that the benchmark reports, rounded."""
    return {f"{metric}@{k}": round(values[f"{metric}@{k}"], 6) for k in CUTOFFS for metric in METRICS}


def read_split(folder: Path) -> tuple[sp.csr_matrix, sp.csr_matrix, sp.csr_matrix]:
    """Train, valid and test as matrices (n_users, n_items); ids are numbered in the order of their values.

    Raises:
        UserError: a file is missing or empty, or a line holds something that is not an id; or an
            interaction stands in two of the files.
    """
    parts = [read_interactions(folder / f"{name}.txt") for name in ("train", "valid", "test")]
    user_ids = np.unique(np.concatenate([part[:, 0] for part in parts]))
    item_ids = np.unique(np.concatenate([part[:, 1] for part in parts]))
    shape = (len(user_ids), len(item_ids))
    matrices = []
    for part in parts:
        rows, cols = np.searchsorted(user_ids, part[:, 0]), np.searchsorted(item_ids, part[:, 1])
        matrix = sp.csr_matrix((np.ones(len(part), np.float32), (rows, cols)), shape=shape)
        matrix.data[:] = 1  # an item that stands twice on a line counts once
        matrix.sort_indices()
        matrices.append(matrix)
    train, valid, test = matrices
    for name, one, other in (("valid", train, valid), ("test", train + valid, test)):
        both = one.multiply(other).nnz
        if both:
            raise UserError(f"{folder / name}.txt: {both:,} of its interactions stand in an earlier file too; a split must not overlap.")
    return train, valid, test


def read_interactions(path: Path) -> np.ndarray:
    """(n, 2) int64, user id and item id."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; --split needs a folder with train.txt, valid.txt and test.txt.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            user, *items = map(int, line.split()) if line.strip() else [-1]
        except ValueError:
            raise UserError(f"{path}, line {number}: '{line[:60]}' holds something that is not a whole number.") from None
        rows += [(user, item) for item in items]
    if not rows:
        raise UserError(f"{path} holds no interaction.")
    return np.array(rows, dtype=np.int64)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"published_split: {error}")
