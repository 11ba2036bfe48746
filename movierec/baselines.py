"""Baselines: popularity, item-kNN, EASE and, for splits by time, a Markov chain.

For splits by time, a user's history decays by a half-life chosen on validation, so that all of them know what was
watched last. Otherwise every interaction counts the same.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
import torch

from movierec.interactions.histories import Histories
from movierec.interactions.matrix import CSR, item_degrees
from movierec.interactions.profiles import decayed, last_items, recent_popularity, transitions
from movierec.ranking.topk import Scorer, evaluate, linear_scorer, popularity_scorer
from movierec.utils.linear_algebra import invert_spd_
from movierec.utils.params import Ease, Knn

HALF_LIVES = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, np.inf)  # in movies
MARKOV_SMOOTHINGS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
T = TypeVar("T")


def popularity(train: sp.csr_matrix) -> np.ndarray:
    """Interactions per item: (n_items,) float32."""
    return item_degrees(train).astype(np.float32)


def item_knn(
    train: sp.csr_matrix, n_neighbors: int, shrinkages: Sequence[float], chunk: int = 1024
) -> list[sp.csr_matrix]:
    """Item-based kNN with shrunk cosine similarity (Deshpande and Karypis, TOIS 2004), for each shrinkage.

        similarity(i, j) = |users of both| / (sqrt(|users of i| |users of j|) + shrinkage)

    Args:
        train: (n_users, n_items).
        n_neighbors: kept for each item; ties at the edge are all kept.
        shrinkages: each shrinks similarities that rest on few users.
        chunk: items at one time.

    Returns:
        (n_items, n_items) float32, for each shrinkage, the neighbours of an item in its column; a user's scores are
        history @ this.
    """
    root = np.sqrt(popularity(train))
    by_item = train.T.tocsr()
    blocks: list[list[sp.csr_matrix]] = [[] for _ in shrinkages]
    for begin in range(0, train.shape[1], chunk):
        both = (by_item[begin : begin + chunk] @ train).tocsr()  # sparse: most pairs of items have no user in common
        rows = np.repeat(np.arange(begin, begin + both.shape[0]), np.diff(both.indptr))
        both.data[both.indices == rows] = 0
        scale = root[rows] * root[both.indices]
        for shrinkage, of_shrinkage in zip(shrinkages, blocks, strict=True):
            data = both.data / (scale + np.float32(shrinkage + 1e-12))
            similarity = sp.csr_matrix((data, both.indices, both.indptr), both.shape)
            of_shrinkage.append(strongest(similarity, n_neighbors))
    return [sp.vstack(of_shrinkage).T.tocsr().astype(np.float32) for of_shrinkage in blocks]


def strongest(matrix: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """The n greatest entries of each row; ties at the edge are all kept."""
    data = matrix.data.copy()
    for begin, end in itertools.pairwise(matrix.indptr):
        row = data[begin:end]
        if n < len(row):
            row[row < np.partition(row, -n)[-n]] = 0
    kept = sp.csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), matrix.shape)
    kept.eliminate_zeros()
    return kept


def gram(train: sp.csr_matrix) -> np.ndarray:
    """The number of users that each two items share: (n_items, n_items) float64."""
    return np.asarray((train.T @ train).toarray(), dtype=np.float64)


def ease(gram_matrix: np.ndarray, regularisation: float) -> np.ndarray:
    """EASE, the closed form of a linear autoencoder without self-similarity (Steck, WWW 2019, eq. 8).

        P = (R^T R + lambda I)^-1,    B_ij = -P_ij / P_jj,  B_jj = 0

    Args:
        gram_matrix: R^T R, (n_items, n_items) float64; not changed.
        regularisation: lambda.

    Returns:
        B, (n_items, n_items) float32; a user's scores are history @ B.
    """
    inverse = torch.from_numpy(gram_matrix.copy())
    inverse.diagonal().add_(regularisation)
    invert_spd_(inverse)
    weights = (inverse / -inverse.diagonal()).float()
    return weights.fill_diagonal_(0).numpy()


def markov_scorer(last: sp.csr_matrix, after: sp.csr_matrix, counts: np.ndarray, smoothing: float) -> Scorer:
    """A first-order Markov chain, smoothed with popularity.

        score(u, j) = C_ij + smoothing p_j, with i the last item of u

    which ranks as P(j | i) does.

    Args:
        last: (n_users, n_items), 1 at each user's last item.
        after: C, (n_items, n_items), how often j comes right after i.
        counts: (n_items,), interactions per item; p is their share.
        smoothing: interactions that popularity counts for.
    """
    background = torch.from_numpy(smoothing * counts / counts.sum()).float()
    return lambda users: torch.from_numpy((last[users] @ after).toarray()) + background


def best_of(candidates: Iterable[T], quality: Callable[[T], float]) -> tuple[T, float]:
    """The first candidate of the highest quality, and that quality."""
    best: Any = (None, -np.inf)
    for candidate in candidates:
        value = quality(candidate)
        best = (candidate, value) if value > best[1] else best
    return best


def climb(values: Sequence[float], middle: T, fit: Callable[[float], T], quality: Callable[[T], float]) -> T:
    """The best fit with one of the values, in order: from the `middle` one's down, or else up, while quality rises."""
    best, best_quality = middle, quality(middle)
    start = len(values) // 2
    for others in (values[:start][::-1], values[start + 1 :]):
        for value in others:
            fitted = fit(value)
            found = quality(fitted)
            if found <= best_quality:
                break
            best, best_quality = fitted, found
        if best is not middle:
            break
    return best


class Fitting(NamedTuple):
    """The data of the baselines; validation NDCG@20 chooses their numbers."""

    train: sp.csr_matrix  # (n_users, n_items)
    histories: Histories | None  # the same by time, for splits by time
    valid: sp.csr_matrix  # (n_users, n_items), of the users who choose
    say: Callable[[str], Any]  # called with each choice

    def quality(self, scorer: Scorer) -> float:
        """Validation NDCG@20."""
        return evaluate(scorer, self.train, self.train, self.valid, cutoffs=[20])["ndcg@20"]

    def decayed(self, half_life: float) -> sp.csr_matrix:
        """The histories as a matrix, decayed."""
        return decayed(self.histories, self.train.shape[1], half_life) if self.histories else self.train

    def best_half_life(self, name: str, scorer: Callable[[float], Scorer]) -> float:
        """The half-life with the best validation NDCG@20."""
        half_life, ndcg = best_of(HALF_LIVES, lambda b: self.quality(scorer(b)))
        self.say(f"{name}: half-life {half_life:g} movies, validation NDCG@20 {ndcg:.4f}")
        return half_life


def fit_popularity(data: Fitting) -> dict[str, Any]:
    """The arrays of popularity for `baseline_scorers`."""
    histories, n_items = data.histories, data.train.shape[1]
    if histories is None:
        return {"popularity": popularity(data.train)}
    half_life = data.best_half_life("popularity", lambda b: popularity_scorer(recent_popularity(histories, n_items, b)))
    return {"popularity": recent_popularity(histories, n_items, half_life)}


def fit_item_knn(data: Fitting, knn: Knn) -> dict[str, Any]:
    """The arrays of item-kNN for `baseline_scorers`."""
    by_shrinkage = item_knn(data.train, max(knn.neighbors), knn.shrinkages)
    candidates = (
        (strongest(of.T.tocsr(), n).T.tocsr(), n, shrinkage)
        for shrinkage, of in zip(knn.shrinkages, by_shrinkage, strict=True)
        for n in knn.neighbors
    )
    best, ndcg = best_of(candidates, lambda of: data.quality(linear_scorer(data.train, of[0])))
    neighbors, n, shrinkage = best
    data.say(f"item-kNN: {n} neighbours, shrinkage {shrinkage:g}, validation NDCG@20 {ndcg:.4f}")
    arrays = {f"knn_{part}": getattr(neighbors, part) for part in CSR}
    if data.histories is not None:
        arrays["knn_half_life"] = data.best_half_life("item-kNN", lambda b: linear_scorer(data.decayed(b), neighbors))
    return arrays


def fit_markov(data: Fitting) -> dict[str, Any]:
    """The arrays of the Markov chain for `baseline_scorers`; none for a split that ignores time."""
    if data.histories is None:
        return {}
    n_items, counts = data.train.shape[1], popularity(data.train)
    after, last = transitions(data.histories, n_items, 1.0, reach=1), last_items(data.histories, n_items)
    smoothing, ndcg = best_of(MARKOV_SMOOTHINGS, lambda m: data.quality(markov_scorer(last, after, counts, m)))
    data.say(f"Markov chain: smoothing {smoothing:g}, validation NDCG@20 {ndcg:.4f}")
    arrays = {f"markov_{part}": getattr(after, part) for part in CSR}
    return arrays | {"markov_counts": counts, "markov_smoothing": smoothing}


def fit_ease(data: Fitting, params: Ease) -> dict[str, Any]:
    """The arrays of EASE for `baseline_scorers`; `ease` is empty where there are more than `max_items` items."""
    n_items = data.train.shape[1]
    if n_items > params.max_items:
        data.say(f"EASE is left out: {n_items:,} movies are more than ease.max_items ({params.max_items:,}).")
        return {"ease": np.zeros((0, 0), np.float32), "ease_lambda": 0.0, "ease_half_life": np.inf}
    gram_matrix, lambdas = gram(data.train), sorted(params.lambdas)
    history, half_life = data.train, np.inf

    def fit(value: float) -> tuple[float, np.ndarray]:
        return value, ease(gram_matrix, value)

    def quality(candidate: tuple[float, np.ndarray]) -> float:
        ndcg = data.quality(linear_scorer(history, candidate[1]))
        data.say(f"EASE, lambda {candidate[0]:g}: validation NDCG@20 {ndcg:.4f}")
        return ndcg

    middle = fit(lambdas[len(lambdas) // 2])
    if data.histories is not None:  # the half-life with the middle lambda, then the lambda with that half-life
        half_life = data.best_half_life("EASE", lambda b: linear_scorer(data.decayed(b), middle[1]))
        history = data.decayed(half_life)
    best, weights = climb(lambdas, middle, fit, quality)
    data.say(f"kept: lambda {best:g}")
    return {"ease": weights, "ease_lambda": best, "ease_half_life": half_life}


def baseline_scorers(
    arrays: dict[str, Any], matrix: sp.csr_matrix, histories: Histories | None = None
) -> dict[str, Scorer]:
    """The baselines that were fitted, by name.

    Args:
        arrays: what the `fit_` functions return, merged.
        matrix: (n_users, n_items), the users' histories, 1 for each interaction.
        histories: the same by time, for splits by time.
    """
    n_items = matrix.shape[1]

    def square(name: str) -> sp.csr_matrix:
        return sp.csr_matrix(tuple(arrays[f"{name}_{part}"] for part in CSR), shape=(n_items, n_items))

    def history(name: str) -> sp.csr_matrix:
        return matrix if histories is None else decayed(histories, n_items, float(arrays[f"{name}_half_life"]))

    scorers = {"EASE": linear_scorer(history("ease"), arrays["ease"])} if arrays["ease"].size else {}
    scorers |= {"item-kNN": linear_scorer(history("knn"), square("knn"))} if "knn_data" in arrays else {}
    scorers |= {"popularity": popularity_scorer(arrays["popularity"])}
    if histories is not None and "markov_data" in arrays:
        last, smoothing = last_items(histories, n_items), float(arrays["markov_smoothing"])
        scorers["Markov chain"] = markov_scorer(last, square("markov"), arrays["markov_counts"], smoothing)
    return scorers
