"""Check params against the data and this machine, before the slow stages begin; these depend on the output."""

import os
from pathlib import Path

import _stage

from movierec.interactions.features import movies_by_index
from movierec.recommend.filters import Filters
from movierec.utils.errors import UserError
from movierec.utils.params import NO_GPU
from movierec.utils.storage import read_table, write_text

DENSE_BYTES = 4 * 4  # float32, of four matrices: the one to invert, its inverse, the best so far, and a product


def main() -> None:
    params = _stage.params()
    n_users, n_movies = map(len, ids := _stage.read_ids())
    if min(n_users, n_movies) < 2:
        raise UserError(f"only {n_users:,} users and {n_movies:,} movies have positive interactions; 2 are needed.")
    if params.device == "cuda":
        import torch  # takes longer than all the rest

        if not torch.cuda.is_available():
            raise UserError(NO_GPU)
    filters = Filters.from_text(params.only_genres, params.not_genres, params.only_years)
    try:
        n_allowed = filters.allowed(movies_by_index(read_table(Path("data/clean/movies.parquet")), ids[1])).sum()
    except UserError as error:
        raise UserError(f"params.yaml: only_genres, not_genres and only_years: {error}") from None
    if params.top_k > n_allowed:
        what = "pass only_genres, not_genres and only_years" if filters != Filters() else "have positive interactions"
        raise UserError(f"params.yaml: top_k is {params.top_k:,}, but only {n_allowed:,} movies {what}; ask for less.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = {"ease.max_items": params.ease.max_items, "kernel_max_nodes": params.kernel_max_nodes}
    for key, n in (("ease.max_items", n_movies), ("kernel_max_nodes", n_users), ("kernel_max_nodes", n_movies)):
        if n <= limits[key] and DENSE_BYTES * n * n > memory:
            sizes = f"{DENSE_BYTES * n * n / 2**30:.0f} GiB of memory, but this machine has {memory / 2**30:.0f} GiB"
            raise UserError(f"params.yaml: {key} is {limits[key]:,}, and {n:,} would need {sizes}; set it below {n:,}.")
    write_text("The params go together with the data.\n", Path("data/checked.txt"))


if __name__ == "__main__":
    _stage.run(main)
