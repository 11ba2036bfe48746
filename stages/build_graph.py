"""The bipartite user-movie graph of the training interactions, with gender and genres as features."""

from pathlib import Path

import _stage

from movierec.edges import graph_arrays
from movierec.features import gender_features, genre_features
from movierec.interactions import rating_weights, to_csr
from movierec.storage import read_table, write_arrays

GRAPH = Path("data/graph/graph.npz")


def main() -> None:
    params = _stage.params("rating_power")
    user_ids = read_table(Path("data/split/users.parquet"))["UserID"].to_numpy()
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    interactions = read_table(Path("data/split/train.parquet"))
    weight = rating_weights(interactions["rating"].to_numpy(), params.rating_power)
    train = to_csr(interactions, len(user_ids), len(item_ids), weight)
    gender = gender_features(read_table(Path("data/clean/users.parquet")), user_ids)
    genres, genre_names = genre_features(read_table(Path("data/clean/movies.parquet")), item_ids)
    write_arrays(GRAPH, **graph_arrays(train, gender, genres)._asdict())
    print(f"{len(user_ids):,} users, {len(item_ids):,} movies, {2 * train.nnz:,} edges ({train.nnz:,} each way)")
    print(f"features: gender known for {gender.any(axis=1).sum():,} users; {len(genre_names)} genres")


if __name__ == "__main__":
    _stage.run(main)
