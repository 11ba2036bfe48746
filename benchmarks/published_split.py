"""The model and the baselines on a published split: python benchmarks/published_split.py --split DIR

DIR holds train.txt, valid.txt and test.txt; a line is a user id and the ids of that user's items, separated by blanks.
All choices are made on validation; test is evaluated once.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _bench
import numpy as np
import scipy.sparse as sp
import torch

from movierec.baselines import Fitting, baseline_scorers, ease, fit_item_knn, fit_popularity, gram
from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.model.fit import fit, with_choices
from movierec.ranking.metrics import CHOOSING, sample_users
from movierec.ranking.topk import Scorer, evaluate, linear_scorer
from movierec.utils.errors import UserError
from movierec.utils.params import Ease, Params

CUTOFFS = (10, 20, 40)
METRICS = ("recall", "ndcg", "precision", "hit_rate", "mrr")


def main() -> None:
    args = _bench.parser(__doc__, "split", "mask", "set", "seeds").parse_args()
    params = _bench.bench_params(args.set)
    train, valid, test = read_split(args.split)
    seeds = args.seeds or [params.seed]
    seen = train if args.mask == "train" else train + valid
    sizes = sizes_of(train, valid, test)
    _bench.say(", ".join(f"{name} {size:,}" for name, size in sizes.items()))

    def measure(scorer: Scorer) -> dict[str, Any]:
        began = time.perf_counter()
        figures = chosen(evaluate(scorer, train, seen, test, CUTOFFS))
        seconds = round(time.perf_counter() - began, 3)
        return figures | {"valid": chosen(evaluate(scorer, train, train, valid, CUTOFFS)), "evaluate_seconds": seconds}

    result = {"data": sizes, "mask": args.mask, "params": with_choices(params, train.shape[1]).model_dump()}
    result["model"] = _bench.over_seeds(seeds, lambda seed: model_figures(train, valid, params, seed, measure))
    for name, figures in sparse_baselines(train, valid, params, measure):
        result[name] = figures
    _bench.write_result(args.out, result, seeds)  # whatever becomes of EASE, which is dense
    try:
        result["EASE"] = ease_figures(train, valid, params.ease, measure)
    except (UserError, MemoryError, RuntimeError, np.linalg.LinAlgError) as error:
        result["left_out"] = {"EASE": str(error)}
        _bench.say(f"EASE is left out: {error}")
    _bench.write_result(args.out, result, seeds)


def sizes_of(train: sp.csr_matrix, valid: sp.csr_matrix, test: sp.csr_matrix) -> dict[str, int]:
    """The numbers of users and items, and of interactions by part."""
    n_users, n_items = train.shape
    return {"users": n_users, "items": n_items, "train": train.nnz, "valid": valid.nnz, "test": test.nnz}


def without_features(train: sp.csr_matrix) -> GraphArrays:
    """The graph of the interactions (n_users, n_items), without gender and genres."""
    n_users, n_items = train.shape
    return graph_arrays(train, np.zeros((n_users, 0), np.int8), np.zeros((n_items, 0), np.int8))


def without_feature_weights(params: Params, seed: int) -> Params:
    """The params with another seed, for a graph without features."""
    return params.model_copy(update={"gender_weight": 0.0, "genre_weight": 0.0, "seed": seed})


def import_optimisers() -> None:
    """Have torch import what it imports, for a second, at the first optimiser."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def model_figures(
    train: sp.csr_matrix, valid: sp.csr_matrix, params: Params, seed: int, measure: Callable
) -> dict[str, Any]:
    """The figures of the model with one seed."""
    import_optimisers()
    began = time.perf_counter()
    of_seed = without_feature_weights(params, seed)
    model, epochs = fit(without_features(train), valid, of_seed, say=lambda text: _bench.say(f"seed {seed}: {text}"))
    seconds = round(time.perf_counter() - began, 3)
    best = int(epochs.loc[epochs["valid_ndcg"].idxmax(), "epoch"])
    figures = measure(model.scorer()) | {"fit_seconds": seconds, "best_epoch": best, "mix": list(model.mix)}
    on_test = f"test NDCG@20 {figures['ndcg@20']:.4f}, Recall@20 {figures['recall@20']:.4f}"
    _bench.say(f"seed {seed}: {on_test} ({seconds:.1f} s)")
    return figures


def sparse_baselines(
    train: sp.csr_matrix, valid: sp.csr_matrix, params: Params, measure: Callable
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names and figures of popularity and item-kNN; `fit_seconds` includes the choice on validation."""
    data = Fitting(train, None, sample_users(valid, train, CHOOSING), _bench.say)
    arrays: dict[str, Any] = {"ease": np.zeros((0, 0), np.float32)}
    for name, fit_it in (("popularity", fit_popularity), ("item-kNN", lambda of: fit_item_knn(of, params.knn))):
        began = time.perf_counter()
        arrays |= fit_it(data)
        fitted = round(time.perf_counter() - began, 3)
        yield name, measure(baseline_scorers(arrays, train)[name]) | {"fit_seconds": fitted}


def ease_figures(train: sp.csr_matrix, valid: sp.csr_matrix, params: Ease, measure: Callable) -> dict[str, Any]:
    """The figures of EASE with the lambda that is best on validation; `fit_seconds` is of one fit with one lambda.

    Raises:
        UserError: there are more items than `ease.max_items`.
    """
    if train.shape[1] > params.max_items:
        raise UserError(f"{train.shape[1]:,} items are more than ease.max_items ({params.max_items:,}).")
    began = time.perf_counter()
    gram_matrix = gram(train)
    gram_seconds = time.perf_counter() - began
    best, kept, regularisation, fits = -1.0, None, 0.0, []
    for candidate in sorted(params.lambdas):  # up to where NDCG does not rise
        began = time.perf_counter()
        weights = ease(gram_matrix, candidate)
        fits.append(gram_seconds + time.perf_counter() - began)
        ndcg = evaluate(linear_scorer(train, weights), train, train, valid, [20])["ndcg@20"]
        _bench.say(f"EASE, lambda {candidate:g}: validation NDCG@20 {ndcg:.4f} ({fits[-1]:.2f} s)")
        if ndcg <= best:
            break
        best, kept, regularisation = ndcg, weights, candidate
    seconds = round(float(np.median(fits)), 3)
    return measure(linear_scorer(train, kept)) | {"fit_seconds": seconds, "lambda": regularisation}


def chosen(values: dict[str, float]) -> dict[str, float]:
    """The metrics that are kept, rounded."""
    return {f"{metric}@{k}": round(values[f"{metric}@{k}"], 6) for k in CUTOFFS for metric in METRICS}


def read_split(folder: Path) -> tuple[sp.csr_matrix, sp.csr_matrix, sp.csr_matrix]:
    """Train, validation and test as matrices (n_users, n_items); indices are in the order of the ids.

    Raises:
        UserError: a file is missing, empty or malformed, or an interaction is in two of them.
    """
    parts = [read_interactions(folder / f"{name}.txt") for name in ("train", "valid", "test")]
    user_ids = np.unique(np.concatenate([part[:, 0] for part in parts]))
    item_ids = np.unique(np.concatenate([part[:, 1] for part in parts]))
    shape = (len(user_ids), len(item_ids))
    matrices = []
    for part in parts:
        rows, cols = np.searchsorted(user_ids, part[:, 0]), np.searchsorted(item_ids, part[:, 1])
        matrix = sp.csr_matrix((np.ones(len(part), np.float32), (rows, cols)), shape=shape)
        matrix.data[:] = 1  # an item twice on a line counts once
        matrix.sort_indices()
        matrices.append(matrix)
    train, valid, test = matrices
    for name, one, other in (("valid", train, valid), ("test", train + valid, test)):
        if both := one.multiply(other).nnz:
            repeated = f"{both:,} of its interactions are in an earlier file too"
            raise UserError(f"{folder / name}.txt: {repeated}; the parts of a split must not overlap.")
    return train, valid, test


def read_interactions(path: Path) -> np.ndarray:
    """The user id and the item id of each interaction, (n, 2) int64."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; --split needs a folder with train.txt, valid.txt and test.txt.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            user, *items = map(int, line.split()) if line.strip() else [-1]
        except ValueError:
            raise UserError(f"{path}, line {number}: '{line[:60]}' is not all whole numbers.") from None
        rows += [(user, item) for item in items]
    if not rows:
        raise UserError(f"{path} has no interactions.")
    return np.array(rows, dtype=np.int64)


if __name__ == "__main__":
    _bench.run(main)
