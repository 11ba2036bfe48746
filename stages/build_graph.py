"""Build the bipartite user-movie graph of the training interactions, with gender and genres as features."""

from pathlib import Path

import _stage

from movierec.interactions.features import gender_features, genre_features
from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.matrix import rating_weights, to_csr
from movierec.utils.arrays import write_arrays
from movierec.utils.storage import read_table


def main() -> None:
    params = _stage.params()
    user_ids, item_ids = _stage.read_ids()
    (interactions,) = _stage.read_parts("train")
    weight = rating_weights(interactions["rating"].to_numpy(), params.rating_power)
    train = to_csr(interactions, len(user_ids), len(item_ids), weight)
    gender = gender_features(read_table(Path("data/clean/users.parquet")), user_ids)
    genres, genre_names = genre_features(read_table(Path("data/clean/movies.parquet")), item_ids)
    write_arrays(Path("data/graph/graph.npz"), **graph_arrays(train, gender, genres)._asdict())
    print(f"{len(user_ids):,} users, {len(item_ids):,} movies, {2 * train.nnz:,} edges ({train.nnz:,} each way)")
    print(f"features: gender known for {gender.any(axis=1).sum():,} users; {len(genre_names)} genres")


if __name__ == "__main__":
    _stage.run(main)
