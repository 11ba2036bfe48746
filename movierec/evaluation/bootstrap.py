"""The bootstrap over users (Efron 1979), with the same resamples for all that is compared."""

import numpy as np

RESAMPLES, SEED = 1000, 0
LEVEL = 0.95  # of the intervals
BLOCK = 50  # resamples at one time


def resampled_means(values: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """The means over resampled users, (resamples, m) float64; NaN where no user that counts was drawn.

    `values` are (n_users, m), NaN where a user does not count; columns share the resamples, so that models are paired.
    """
    rng, n = np.random.default_rng(seed), len(values)
    valid = ~np.isnan(values)
    filled, counts = np.where(valid, values, 0.0), valid.astype(np.float64)
    means = []
    for begin in range(0, resamples, BLOCK):
        block = min(BLOCK, resamples - begin)
        drawn = rng.integers(n, size=(block, n)) + n * np.arange(block)[:, None]
        times = np.bincount(drawn.ravel(), minlength=block * n).reshape(block, n)  # draws of each user
        times = times.astype(np.float64)
        with np.errstate(invalid="ignore"):
            means.append((times @ filled) / (times @ counts))
    return np.concatenate(means)


def interval(means: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of resampled means, (resamples, ...): low and high, each (...)."""
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def p_value(differences: np.ndarray) -> np.ndarray:
    """The two-sided p-value of resampled mean differences: (resamples, ...) to (...), at least 2 / (resamples + 1)."""
    n = len(differences)
    tail = np.minimum((differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0))
    return np.minimum(2 * (tail + 1) / (n + 1), 1.0)
