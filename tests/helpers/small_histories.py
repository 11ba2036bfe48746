"""Small histories of a dozen items, and an untrained next-movie model of them."""

import numpy as np
import pandas as pd

from movierec.interactions.history import Histories
from movierec.model.next_movie import NextMovie

N_ITEMS = 12


def histories_of(lists):
    """Histories from a list of items per user."""
    pairs = [(user, item) for user, items in enumerate(lists) for item in items]
    return Histories.from_interactions(len(lists), pd.DataFrame(pairs, columns=["user", "item"]).astype(int))


def random_lists(n_users=20, seed=0):
    """Distinct items of each user, 2 or more."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(N_ITEMS)[: rng.integers(2, N_ITEMS)].tolist() for _ in range(n_users)]


def small_network():
    """Initialised with random histories."""
    network = NextMovie(N_ITEMS, [0.5, 3.0], dim=4, hidden=8, temperature=0.2)
    return network.initialise_(histories_of(random_lists()), seed=3)
