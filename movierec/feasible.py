"""Whether params go together with the data and with this machine: what does not is told before the slow stages, not by them."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd

from movierec.errors import UserError
from movierec.filters import filters_of
from movierec.params import NO_GPU

DENSE_MATRICES = 4  # float32, that exist at one time where one is inverted: itself, its inverse, the best so far, and a product


def check_feasible(params: SimpleNamespace, n_users: int, movies: pd.DataFrame, memory: int, has_gpu: Callable[[], bool]) -> None:
    """Check params against the data.

    Args:
        params: top_k, only_genres, not_genres, only_years, ease_max_items, kernel_max_nodes, device.
        n_users: that the model will know.
        movies: those that it will know: Genres, Year.
        memory: of this machine, in bytes.
        has_gpu: whether there is one that torch can use; asked only where one is wanted.

    Raises:
        UserError: names the key, its value, and what is allowed.
    """
    n_movies = len(movies)
    if n_users < 2 or n_movies < 2:
        raise UserError(f"there are {n_users:,} users and {n_movies:,} movies with liked ratings; a recommender needs 2 of each, and better hundreds.")
    if params.device == "cuda" and not has_gpu():
        raise UserError(NO_GPU)
    if params.top_k > n_movies:
        raise UserError(f"params.yaml: top_k is {params.top_k:,}, but only {n_movies:,} movies have liked ratings; it must be at most that.")
    try:
        n_allowed = int(np.sum(filters_of(params.only_genres, params.not_genres, params.only_years).allowed(movies)))
    except UserError as error:
        raise UserError(f"params.yaml: only_genres, not_genres and only_years: {error}") from None
    if params.top_k > n_allowed:
        raise UserError(f"params.yaml: top_k is {params.top_k:,}, but only {n_allowed:,} movies pass only_genres, not_genres and only_years; ask for less.")
    for key, limit, n, what in (
        ("ease_max_items", params.ease_max_items, n_movies, "movies: EASE"),
        ("kernel_max_nodes", params.kernel_max_nodes, n_users, "users: their kernel"),
        ("kernel_max_nodes", params.kernel_max_nodes, n_movies, "movies: their kernel"),
    ):
        needed = DENSE_MATRICES * 4 * n * n
        if n <= limit and needed > memory:
            raise UserError(
                f"params.yaml: {key} is {limit:,}, and there are {n:,} {what} would need {needed / 2**30:.0f} GiB of memory for dense matrices, but "
                f"this machine has {memory / 2**30:.0f} GiB; set {key} below {n:,}, which leaves that part out."
            )
