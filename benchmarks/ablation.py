"""What each component and each kind of data is worth: python benchmarks/ablation.py [--seeds 1,2,3]

Trains each variant with each seed on the pipeline's own split (after `dvc repro`), and prints a Markdown table of
validation metrics. Test is not used.
"""

import argparse
import sys
from pathlib import Path

import _bench
import numpy as np

from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.matrix import rating_weights, to_csr
from movierec.model.fit import fit
from movierec.model.mixing import mixed_scorer
from movierec.ranking.topk import evaluate
from movierec.utils.errors import UserError
from movierec.utils.storage import read_arrays, read_table

DATA = {  # by name, the params that differ
    "the default": {},
    "without ratings as weights": {"rating_power": 0.0},
    "without gender": {"gender_weight": 0.0},
    "without genres": {"genre_weight": 0.0},
    "without any of the three": {"rating_power": 0.0, "gender_weight": 0.0, "genre_weight": 0.0},
    "the same weight for all users' interactions": {"user_weight_power": 0.0},
    "256 dimensions": {"embedding_dim": 256, "temperature": 0.14, "lr": 0.01},
}
COMPONENTS = {
    "the graph model alone": (1.0, 0.0, 0.0),
    "similar users alone": (0.0, 1.0, 0.0),
    "similar movies alone": (0.0, 0.0, 1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3", metavar="1,2,3", help="default: 1,2,3")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    stored = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    interactions = read_table(Path("data/split/train.parquet"))
    shape = (stored.n_users, stored.n_items)
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *shape)
    train = to_csr(interactions, *shape)
    figures: dict[str, list[tuple[float, float]]] = {}
    for name, changes in DATA.items():
        params = _bench.bench_params([]).model_copy(update=changes)
        weight = rating_weights(interactions["rating"].to_numpy(), params.rating_power)
        arrays = graph_arrays(to_csr(interactions, *shape, weight), stored.user_gender, stored.item_genres)
        for seed in seeds:
            model = fit(arrays, valid, params.model_copy(update={"seed": seed})).model
            components = model.components()
            alone = {of: mix for of, mix in COMPONENTS.items() if components[mix.index(1.0)] and not changes}
            for variant, mix in ({name: model.mix} | alone).items():
                measured = evaluate(mixed_scorer(components, mix), train, train, valid, [20])
                ndcg, recall = measured["ndcg@20"], measured["recall@20"]
                figures.setdefault(variant, []).append((ndcg, recall))
                _bench.say(f"{variant}, seed {seed}: NDCG@20 {ndcg:.4f}, Recall@20 {recall:.4f}")
    print(f"| validation, {len(seeds)} seeds | NDCG@20 | Recall@20 |\n|---|---|---|")
    for variant, values in figures.items():
        means, deviations = np.mean(values, axis=0), np.std(values, axis=0)
        cells = [f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in zip(means, deviations, strict=True)]
        print(f"| {variant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"ablation: {error}")
