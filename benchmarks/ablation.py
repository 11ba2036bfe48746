"""What each part and each kind of data is worth: python benchmarks/ablation.py [--seeds 1,2,3]

Trains on the pipeline's own split (after `dvc repro`), each variant with each seed, and prints a
Markdown table of validation figures. Test is not looked at.
"""

import argparse
import sys
from pathlib import Path

import _bench
import numpy as np

from movierec.edges import graph_arrays, stored_graph
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.interactions import rating_weights, to_csr
from movierec.model import mixed_scorer, train_model
from movierec.ranking import evaluate
from movierec.storage import read_arrays, read_table
from movierec.training import Settings

DATA = {  # name to params that differ
    "the default": {},
    "without ratings as weights": {"rating_power": 0.0},
    "without gender": {"gender_weight": 0.0},
    "without genres": {"genre_weight": 0.0},
    "without any of the three": {"rating_power": 0.0, "gender_weight": 0.0, "genre_weight": 0.0},
    "all users' interactions weigh the same": {"user_weight_power": 0.0},
    "256 dimensions": {"embedding_dim": 256, "temperature": 0.14, "lr": 0.01},
}
PARTS = {"the graph's vectors alone": (1.0, 0.0, 0.0), "users of like taste alone": (0.0, 1.0, 0.0), "movies with a like public alone": (0.0, 0.0, 1.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3", metavar="1,2,3")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    interactions = read_table(Path("data/split/train.parquet"))
    shape = (arrays.n_users, arrays.n_items)
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *shape)
    history = to_csr(interactions, *shape)
    figures: dict[str, list[tuple[float, float]]] = {}
    for name, changes in DATA.items():
        params = _bench.bench_params([]) | changes
        weight = rating_weights(interactions["rating"].to_numpy(), params["rating_power"])
        graph = Graph(graph_arrays(to_csr(interactions, *shape, weight), arrays.user_gender, arrays.item_genres))
        for seed in seeds:
            settings = Settings(**{field: params[field] for field in Settings._fields} | {"seed": seed})
            names = ("embedding_dim", "n_layers", "kernel_max_nodes", "gender_weight", "genre_weight")
            model = train_model(graph, history, valid, *(params[key] for key in names), settings).model
            variants = {name: model.mix} | (PARTS if name == "the default" else {})
            for variant, mix in variants.items():
                measured = evaluate(mixed_scorer(model.parts(graph), mix), history, history, valid, [20])
                figures.setdefault(variant, []).append((measured["ndcg@20"], measured["recall@20"]))
                _bench.say(f"{variant}, seed {seed}: NDCG@20 {measured['ndcg@20']:.4f}, Recall@20 {measured['recall@20']:.4f}")
    print(f"| validation, {len(seeds)} seeds | NDCG@20 | Recall@20 |\n|---|---|---|")
    for variant, values in figures.items():
        cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(np.mean(values, axis=0), np.std(values, axis=0))]
        print(f"| {variant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"ablation: {error}")
