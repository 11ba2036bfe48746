"""Check params against the data and this machine, before the slow stages begin; these depend on the output."""

from pathlib import Path

import _stage

from movierec.interactions.features import movies_by_index
from movierec.recommend.filters import Filters
from movierec.utils.errors import UserError
from movierec.utils.params import NO_GPU
from movierec.utils.storage import read_table, write_text


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
        movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), ids[1])
        n_allowed = filters.allowed(movies["Genres"].to_numpy(), movies["Year"].fillna(0).to_numpy(int)).sum()
    except UserError as error:
        raise UserError(f"params.yaml: only_genres, not_genres and only_years: {error}") from None
    if params.top_k > n_allowed:
        what = "pass only_genres, not_genres and only_years" if filters != Filters() else "have positive interactions"
        raise UserError(f"params.yaml: top_k is {params.top_k:,}, but only {n_allowed:,} movies {what}; ask for less.")
    if n_movies <= params.ease.max_items:
        _stage.check_dense(f"ease.max_items is {params.ease.max_items:,}", n_movies, f"set it below {n_movies:,}")
    for side, n in (("user_process", n_users), ("item_process", n_movies)):
        if getattr(params, side) == "dense":
            _stage.check_dense(f"{side} is dense", n, "use auto")
    write_text("The params go together with the data.\n", Path("data/checked.txt"))


if __name__ == "__main__":
    _stage.run(main)
