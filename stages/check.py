"""Check params against the data and this machine, before the slow stages begin: these wait for what this writes, always the same line."""

import os
from pathlib import Path

import _stage

from movierec.feasible import check_feasible
from movierec.features import movies_by_index
from movierec.storage import read_table, write_text


def main() -> None:
    params = _stage.params("top_k", "only_genres", "not_genres", "only_years", "ease_max_items", "kernel_max_nodes", "device")
    n_users = len(read_table(Path("data/split/users.parquet")))
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    check_feasible(params, n_users, movies, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), has_gpu)
    write_text("The params go together with the data.\n", Path("data/checked.txt"))


def has_gpu() -> bool:
    """Whether torch can use one."""
    import torch  # here, since loading it takes longer than all the rest

    return torch.cuda.is_available()


if __name__ == "__main__":
    _stage.run(main)
