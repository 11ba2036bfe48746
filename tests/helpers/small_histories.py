"""Small histories of a dozen items, and an untrained next-movie model of them."""

import numpy as np
import pandas as pd

from movierec.interactions.histories import Histories
from movierec.model.next_movie import NextMovie

N_ITEMS = 12


def histories_of(lists, gap=60):
    """Histories from a list of items per user, with this many seconds between them."""
    rows = [(user, item, 10**9 + gap * place) for user, items in enumerate(lists) for place, item in enumerate(items)]
    return Histories.from_interactions(
        len(lists), pd.DataFrame(rows, columns=["user", "item", "timestamp"]).astype(np.int64)
    )


def with_times(*lists):
    """Histories from a list of (item, time) per user."""
    rows = [(user, item, time) for user, items in enumerate(lists) for item, time in items]
    table = pd.DataFrame(rows, columns=["user", "item", "timestamp"]).astype(np.int64)
    return Histories.from_interactions(len(lists), table)


def lists_of(histories):
    """The items of each user."""
    return [histories.of(np.array([user])).items.tolist() for user in range(histories.n_users)]


def random_lists(n_users=20, seed=0):
    """Distinct items of each user, 2 or more."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(N_ITEMS)[: rng.integers(2, N_ITEMS)].tolist() for _ in range(n_users)]


def small_network():
    """Initialised with random histories."""
    network = NextMovie(N_ITEMS, [0.5, 3.0], dim=4, hidden=8, temperature=0.2)
    return network.initialise_(histories_of(random_lists()), seed=3)
