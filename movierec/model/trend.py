"""The trend: what all users watched lately."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from movierec.interactions.gaps import DAY, after_break
from movierec.interactions.histories import Histories, decay
from movierec.ranking.topk import Scorer

N_SNAPSHOTS = 64


class Trend(NamedTuple):
    """The decayed popularity of the items at several moments.

    popularity_j(t) = sum over interactions with j before t of 2^(-(t - their time) / half-life)
    """

    times: np.ndarray  # (n_snapshots,) int64, rising
    popularity: Tensor  # (n_snapshots, n_items) float32
    half_life: float  # in days
    returns: bool  # whether each user's first item after a break counts alone

    @classmethod
    def of(cls, histories: Histories, n_items: int, half_life: float, *, returns: bool) -> "Trend":
        """At equal shares of the interactions, up to the last one; see the fields for `half_life` and `returns`."""
        counted = np.flatnonzero(after_break(histories)) if returns else np.arange(len(histories.items))
        counted = counted[np.argsort(histories.times[counted], kind="stable")]
        items, at = histories.items[counted], histories.times[counted]
        places = (np.arange(1, N_SNAPSHOTS + 1) * len(histories.times)) // N_SNAPSHOTS - 1
        times = np.unique(np.sort(histories.times)[places[places >= 0]])
        popularity, begin = [np.zeros(n_items)], 0
        for k, (time, end) in enumerate(zip(times, np.searchsorted(at, times, side="right"), strict=True)):
            passed = np.array(time - times[max(k - 1, 0)])
            weight = decay((time - at[begin:end]) / DAY, half_life)
            new = np.bincount(items[begin:end], weight, minlength=n_items)
            popularity.append(popularity[-1] * decay(passed / DAY, half_life) + new)
            begin = end
        return cls(times, torch.from_numpy(np.stack(popularity[1:]).astype(np.float32)), half_life, returns)

    def scorer(self, histories: Histories) -> Scorer:
        """Each user's scores are the popularity at the last snapshot before the moment of asking."""
        moment = histories.last_times + histories.waits
        at = np.maximum(np.searchsorted(self.times, moment, side="right") - 1, 0)
        return lambda users: self.popularity[torch.from_numpy(at[users])]
