"""How sure a mean over users is: the bootstrap (Efron 1979), the same resamples for everything that is compared."""

import numpy as np

RESAMPLES, SEED = 1000, 0
LEVEL = 0.95  # of the intervals
BLOCK = 50  # resamples that exist at one time


def resampled_means(values: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """The means of resampled users.

    Args:
        values: (n_users, m), what is measured of each user; NaN where a user does not count. All columns are resampled
            together, so that those of two models are paired.
        resamples: how many times n_users users are drawn, with replacement.
        seed: of the draws.

    Returns:
        (resamples, m) float64; NaN where nobody that counts was drawn.
    """
    rng, n = np.random.default_rng(seed), len(values)
    counts = ~np.isnan(values)
    filled, counts = np.where(counts, values, 0.0), counts.astype(np.float64)
    means = []
    for begin in range(0, resamples, BLOCK):
        block = min(BLOCK, resamples - begin)
        drawn = rng.integers(n, size=(block, n)) + n * np.arange(block)[:, None]
        times = np.bincount(drawn.ravel(), minlength=block * n).reshape(block, n).astype(np.float64)  # how often each user was drawn
        with np.errstate(invalid="ignore"):
            means.append((times @ filled) / (times @ counts))
    return np.concatenate(means)


def interval(means: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of resampled means, (resamples, ...): low and high, each (...)."""
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def p_value(differences: np.ndarray) -> np.ndarray:
    """Two-sided: how often the resampled mean difference is on the other side of 0; (resamples, ...) to (...), at least 2 / (resamples + 1)."""
    n = len(differences)
    tail = np.minimum((differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0))
    return np.minimum(2 * (tail + 1) / (n + 1), 1.0)
