"""What a graph model must beat to be worth its name: popularity, item-kNN, EASE, and a Markov chain.

In time order a user's history fades, by half after so many movies, so that all of them know what was
watched last; without order in time the half-life is infinite, and an interaction is an interaction.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.history import History, decayed, fading, last_items, transitions
from movierec.interactions import users_of_items
from movierec.linear_algebra import invert_spd_
from movierec.ranking import Scorer, evaluate

HALF_LIVES = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, np.inf)  # in movies; validation chooses, where there is order in time
MARKOV_SMOOTHINGS = (1.0, 10.0, 100.0, 1000.0, 10000.0)


def popularity(train: sp.csr_matrix) -> np.ndarray:
    """Interactions per item: (n_items,) float32."""
    return users_of_items(train).astype(np.float32)


def recent_popularity(past: History, n_items: int, half_life: float) -> np.ndarray:
    """Interactions per item, (n_items,) float32, where each counts less the more movies its user has watched since."""
    return np.bincount(past.items, fading(past.ages, half_life), minlength=n_items).astype(np.float32)


def item_knn(train: sp.csr_matrix, n_neighbors: int, shrinkage: float, chunk: int = 1024) -> sp.csr_matrix:
    """Cosine similarity between items, each with its nearest neighbours alone (Deshpande and Karypis 2004).

        similarity(i, j) = |users of both| / (sqrt(|users of i| |users of j|) + shrinkage)

    Args:
        train: (n_users, n_items).
        n_neighbors: kept for each item.
        shrinkage: makes little of what few users say.
        chunk: items at one time.

    Returns:
        (n_items, n_items) float32; a user's scores are history @ this.
    """
    root = np.sqrt(popularity(train))
    by_item = train.T.tocsr()
    blocks = []
    for begin in range(0, train.shape[1], chunk):
        both = (by_item[begin : begin + chunk] @ train).tocsr()  # sparse: most pairs of movies have no user in common
        rows = np.repeat(np.arange(begin, begin + both.shape[0]), np.diff(both.indptr))
        both.data /= root[rows] * root[both.indices] + np.float32(shrinkage + 1e-12)
        both.data[both.indices == rows] = 0
        for row in range(both.shape[0]):
            similarity = both.data[both.indptr[row] : both.indptr[row + 1]]
            if n_neighbors < len(similarity):  # of equal similarities, all at the edge stay: the order of items decides nothing
                similarity[similarity < np.partition(similarity, -n_neighbors)[-n_neighbors]] = 0
        both.eliminate_zeros()
        blocks.append(both)
    return sp.vstack(blocks).T.tocsr().astype(np.float32)


def gram(train: sp.csr_matrix) -> np.ndarray:
    """How many users each two items share: (n_items, n_items) float64."""
    return np.asarray((train.T @ train).toarray(), dtype=np.float64)


def ease(gram_matrix: np.ndarray, regularisation: float) -> np.ndarray:
    """EASE (Steck, WWW 2019, eq. 8): the closed form of a linear autoencoder without self-similarity.

        P = (R^T R + lambda I)^-1,    B_ij = -P_ij / P_jj,  B_jj = 0

    Args:
        gram_matrix: R^T R, (n_items, n_items) float64; kept as it is.
        regularisation: lambda.

    Returns:
        B, (n_items, n_items) float32; a user's scores are history @ B.
    """
    inverse = torch.from_numpy(gram_matrix.copy())
    inverse.diagonal().add_(regularisation)
    invert_spd_(inverse)
    weights = (inverse / -inverse.diagonal()).float()
    return weights.fill_diagonal_(0).numpy()


def linear_scorer(history: sp.csr_matrix, weights: np.ndarray | sp.csr_matrix) -> Scorer:
    """Scores as history @ weights: (n_users, n_items) and (n_items, n_items)."""

    def score(users: np.ndarray) -> torch.Tensor:
        scores = history[users] @ weights
        return torch.from_numpy(scores.toarray() if sp.issparse(scores) else np.ascontiguousarray(scores))

    return score


def popularity_scorer(counts: np.ndarray) -> Scorer:
    """The same scores for everyone."""
    return lambda users: torch.from_numpy(counts).repeat(len(users), 1)


def markov_scorer(last: sp.csr_matrix, after: sp.csr_matrix, counts: np.ndarray, smoothing: float) -> Scorer:
    """What follows a user's last item: a first-order Markov chain, smoothed with popularity.

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


def baseline_scorers(arrays: dict[str, np.ndarray], matrix: sp.csr_matrix, past: History | None = None) -> dict[str, Scorer]:
    """The fitted baselines by name; EASE only where it was fitted, the Markov chain only in time order.

    Args:
        arrays: `popularity`, the parts of `knn` (a CSR matrix) and of `markov`, and `ease`, empty where it was left
            out; and the numbers chosen for them.
        matrix: (n_users, n_items), what is known of each user, 1 for each interaction.
        past: the same in time, if there is order in time.
    """
    n_items = matrix.shape[1]

    def square(name: str) -> sp.csr_matrix:
        return sp.csr_matrix((arrays[f"{name}_data"], arrays[f"{name}_indices"], arrays[f"{name}_indptr"]), shape=(n_items, n_items))

    def history(name: str) -> sp.csr_matrix:
        return matrix if past is None else decayed(past, n_items, float(arrays[f"{name}_half_life"]))

    scorers = {"EASE": linear_scorer(history("ease"), arrays["ease"])} if arrays["ease"].size else {}
    scorers |= {"item-kNN": linear_scorer(history("knn"), square("knn")), "popularity": popularity_scorer(arrays["popularity"])}
    if past is not None:
        after, counts = square("markov"), arrays["markov_counts"]
        scorers["Markov chain"] = markov_scorer(last_items(past, n_items), after, counts, float(arrays["markov_smoothing"]))
    return scorers


def best_of(candidates: Iterable, quality: Callable[[Any], float]) -> tuple[Any, float]:
    """The candidate of the highest quality, the first of equals, and that quality."""
    best, best_quality = None, -np.inf
    for candidate in candidates:
        if (value := quality(candidate)) > best_quality:
            best, best_quality = candidate, value
    return best, best_quality


class Fitting(NamedTuple):
    """What the baselines are fitted on."""

    train: sp.csr_matrix  # (n_users, n_items)
    past: History | None  # the same in time, if there is order in time: half-lives are then chosen as well
    valid: sp.csr_matrix  # (n_users, n_items), chooses the numbers
    say: Callable[[str], None]  # is told what was chosen

    def quality(self, scorer: Scorer) -> float:
        """Validation NDCG@20."""
        return evaluate(scorer, self.train, self.train, self.valid, [20])["ndcg@20"]

    def best_half_life(self, name: str, scorer: Callable[[float], Scorer]) -> float:
        """The half-life whose scores rank best."""
        half_life, ndcg = best_of(HALF_LIVES, lambda b: self.quality(scorer(b)))
        self.say(f"{name}: half-life {half_life:g} movies, validation NDCG@20 {ndcg:.4f}")
        return half_life


def fit_popularity(data: Fitting) -> dict[str, np.ndarray]:
    """Arrays of popularity for `baseline_scorers`."""
    if not data.past:
        return {"popularity": popularity(data.train)}
    past, n_items = data.past, data.train.shape[1]
    half_life = data.best_half_life("popularity", lambda b: popularity_scorer(recent_popularity(past, n_items, b)))
    return {"popularity": recent_popularity(past, n_items, half_life)}


def fit_item_knn(data: Fitting, n_neighbors: int, shrinkage: float) -> dict[str, np.ndarray]:
    """Arrays of item-kNN for `baseline_scorers`."""
    neighbors = item_knn(data.train, n_neighbors, shrinkage)
    arrays = {f"knn_{part}": getattr(neighbors, part) for part in ("data", "indices", "indptr")}
    if data.past:
        past, n_items = data.past, data.train.shape[1]
        arrays["knn_half_life"] = data.best_half_life("item-kNN", lambda b: linear_scorer(decayed(past, n_items, b), neighbors))
    return arrays


def fit_markov(data: Fitting) -> dict[str, np.ndarray]:
    """Arrays of the Markov chain for `baseline_scorers`; none without order in time."""
    if not data.past:
        return {}
    n_items = data.train.shape[1]
    after, last, counts = transitions(data.past, n_items, 1.0, reach=1), last_items(data.past, n_items), popularity(data.train)
    smoothing, ndcg = best_of(MARKOV_SMOOTHINGS, lambda m: data.quality(markov_scorer(last, after, counts, m)))
    data.say(f"Markov chain: smoothing {smoothing:g}, validation NDCG@20 {ndcg:.4f}")
    arrays = {f"markov_{part}": getattr(after, part) for part in ("data", "indices", "indptr")}
    return arrays | {"markov_counts": counts, "markov_smoothing": smoothing}


def fit_ease(data: Fitting, lambdas: list[float], max_items: int) -> dict[str, np.ndarray]:
    """Arrays of EASE for `baseline_scorers`; `ease` is empty where there are more than `max_items` items."""
    n_items = data.train.shape[1]
    if n_items > max_items:
        data.say(f"EASE is left out: {n_items:,} movies are more than ease_max_items ({max_items:,}).")
        return {"ease": np.zeros((0, 0), np.float32), "ease_lambda": 0.0, "ease_half_life": np.inf}
    gram_matrix = gram(data.train)
    history, half_life = data.train, np.inf
    if data.past:  # the half-life first, with a lambda from the middle; then the lambda with that half-life
        past, weights = data.past, ease(gram_matrix, sorted(lambdas)[len(lambdas) // 2])
        half_life = data.best_half_life("EASE", lambda b: linear_scorer(decayed(past, n_items, b), weights))
        history = decayed(past, n_items, half_life)
    best, kept, best_lambda = -1.0, None, 0.0
    for regularisation in sorted(lambdas):  # until more does not help
        weights = ease(gram_matrix, regularisation)
        ndcg = data.quality(linear_scorer(history, weights))
        data.say(f"EASE, lambda {regularisation:g}: validation NDCG@20 {ndcg:.4f}")
        if ndcg <= best:
            break
        best, kept, best_lambda = ndcg, weights, regularisation
    data.say(f"kept: lambda {best_lambda:g}")
    return {"ease": kept, "ease_lambda": best_lambda, "ease_half_life": half_life}
