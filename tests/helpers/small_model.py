"""A model of a few users and movies that is fitted in a moment."""

import numpy as np
from conftest import params_with

from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.profiles import Profiles
from movierec.model.fit import Fitted, fit

NEXT = {"half_lives": [0.5, 4.0], "dim": 8, "hidden": 8, "temperature": 0.2}
NEXT |= {"lr": 0.02, "epochs": 3, "batch_steps": 64, "negatives": 10}
SMALL = {"embedding_dim": 8, "temperature": 0.2, "lr": 0.01, "batch_size": 16, "epochs": 3, "patience": 3}
SMALL |= {"gender_weight": 0.0, "genre_weight": 0.0, "next": NEXT}


def fit_small(train, valid, profiles=None, say=lambda text: None, later=None, **changes) -> Fitted:
    """A fitted model: train and valid are (n_users, n_items), profiles make it one of a split by time."""
    n_users, n_items = train.shape
    arrays = graph_arrays(train, np.zeros((n_users, 2), np.int8), np.zeros((n_items, 0), np.int8))
    return fit(arrays, valid, params_with(**SMALL | changes), profiles=profiles, later=later, say=say)


def fit_in_time(train, valid, **changes) -> Fitted:
    """A model of a split by time; histories are in the order of items."""
    return fit_small(train, valid, Profiles.without_order(train), **changes)
