"""What one user watches next, by the next-movie model and the trend, in NumPy alone.

See `movierec.model.next_movie` and `movierec.model.trend`, which train them, for the formulas and their terms.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from movierec.interactions.gaps import last_situations, possible_gaps
from movierec.interactions.histories import NEGLIGIBLE, Histories, decay
from movierec.model.stored import LEAST, UNLIKELY


def next_scores(arrays: Mapping[str, Any], history: Histories) -> np.ndarray:
    """The scores of all items after the history of one user, (n_items,)."""
    following = {name.removeprefix("next."): of for name, of in arrays.items() if name.startswith("next.")}
    x = _inputs(following, history)
    logits = np.where(possible_gaps(history)[0], _linear(_norm(x), following, "when"), -np.inf)
    share = np.exp(logits - logits.max())
    gaps = np.flatnonzero(share >= UNLIKELY)
    x = x + following["gap"][gaps]  # (n_gaps, dim)
    u = x + _linear(_gelu(_linear(_norm(x), following, "up")), following, "down")
    logits = unit(u) / float(following["temperature"]) @ unit(following["end"]).T + following["bias"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))  # (n_gaps, n_items)
    unseen = odds.copy()
    unseen[:, history.items] = 0
    weight = share[gaps] / np.maximum(unseen.sum(axis=1), LEAST)
    return np.log(np.maximum(weight @ odds, LEAST))


def trend_scores(arrays: Mapping[str, Any], history: Histories) -> np.ndarray:
    """The popularity of all items at the last snapshot before the moment of asking, (n_items,)."""
    moment = history.last_times + history.waits
    at = np.maximum(np.searchsorted(arrays["trend.times"], moment, side="right") - 1, 0)
    return arrays["trend.popularity"][at[0]]


def _inputs(following: Mapping[str, Any], history: Histories) -> np.ndarray:
    """The vector x of a user, (dim,)."""
    half_lives, dim = following["half_lives"].tolist(), following["end"].shape[1]
    states = []
    for number, half_life in enumerate(half_lives):
        weight = decay(history.ages, half_life)
        kept = weight >= NEGLIGIBLE
        messages = following["origin"][history.items[kept], number * dim : (number + 1) * dim]
        states.append(weight[kept] @ messages * np.float32(math.sqrt(1 - 4 ** (-1 / half_life))))
    x = _linear(np.concatenate(states), following, "mix")
    return x + following["situation"][last_situations(history)[0]].sum(axis=0)


def _linear(x: np.ndarray, following: Mapping[str, Any], layer: str) -> np.ndarray:
    return x @ following[f"{layer}.weight"].T + following[f"{layer}.bias"]


def _norm(x: np.ndarray) -> np.ndarray:
    """Layer normalisation."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def _gelu(x: np.ndarray) -> np.ndarray:
    error_function = np.array([math.erf(of) for of in (x / math.sqrt(2)).ravel().tolist()], np.float32)
    return x * (1 + error_function.reshape(x.shape)) / 2


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., dim) with length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
