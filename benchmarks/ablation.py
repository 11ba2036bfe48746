"""What each component and each kind of data is worth: python benchmarks/ablation.py [--seeds 1,2,3]

Trains each variant with each seed on the pipeline's own split (after `dvc repro`): the means and the standard
deviations of validation metrics. Test is not used.
"""

from pathlib import Path
from typing import Any

import _bench
import numpy as np

import movierec.model.gaussian_process as processes
from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.matrix import rating_weights, to_csr
from movierec.model.fit import fit
from movierec.model.mixing import mixed_scorer
from movierec.ranking.topk import evaluate
from movierec.utils.arrays import read_arrays
from movierec.utils.storage import read_table

DATA = {  # by name, the params that differ
    "the default": {},
    "without ratings as weights": {"rating_power": 0.0},
    "without gender": {"gender_weight": 0.0},
    "without genres": {"genre_weight": 0.0},
    "without any of the three": {"rating_power": 0.0, "gender_weight": 0.0, "genre_weight": 0.0},
    "the same weight for all users' interactions": {"user_weight_power": 0.0},
    "kernels without the graph's embeddings": {},
    "256 dimensions": {"embedding_dim": 256, "temperature": 0.14, "lr": 0.01},
}
KERNELS = processes.USER_KERNEL, processes.ITEM_KERNEL
COMPONENTS = {  # of the default
    "the graph model alone": (1.0, 0.0, 0.0),
    "similar users alone": (0.0, 1.0, 0.0),
    "similar movies alone": (0.0, 0.0, 1.0),
}


def main() -> None:
    args = _bench.parser(__doc__, "set", "seeds").parse_args()
    seeds = args.seeds or [1, 2, 3]
    stored = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    interactions = read_table(Path("data/split/train.parquet"))
    shape = (stored.n_users, stored.n_items)
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *shape)
    train = to_csr(interactions, *shape)
    figures: dict[str, list[tuple[float, float]]] = {}
    for name, changes in DATA.items():
        params = _bench.bench_params(args.set).model_copy(update=changes)
        of_variant = (of._replace(graph_weight=0.0) if "kernels" in name else of for of in KERNELS)
        processes.USER_KERNEL, processes.ITEM_KERNEL = of_variant
        weight = rating_weights(interactions["rating"].to_numpy(), params.rating_power)
        arrays = graph_arrays(to_csr(interactions, *shape, weight), stored.user_gender, stored.item_genres)
        for seed in seeds:
            model = fit(arrays, valid, params.model_copy(update={"seed": seed})).model
            components = model.components()
            alone = {of: mix for of, mix in COMPONENTS.items() if components[mix.index(1.0)] and name == "the default"}
            for variant, mix in ({name: model.mix} | alone).items():
                measured = evaluate(mixed_scorer(components, mix), train, train, valid, [20])
                ndcg, recall = measured["ndcg@20"], measured["recall@20"]
                figures.setdefault(variant, []).append((ndcg, recall))
                _bench.say(f"{variant}, seed {seed}: NDCG@20 {ndcg:.4f}, Recall@20 {recall:.4f}")
    variants = {name: summary(np.array(values)) for name, values in figures.items()}
    _bench.write_result(args.out, {"variants": variants}, seeds)


def summary(values: np.ndarray) -> dict[str, Any]:
    """The means and the standard deviations of metrics, (n_seeds, 2)."""
    names = ("ndcg@20", "recall@20")
    means, deviations = (dict(zip(names, of.tolist())) for of in (values.mean(axis=0), values.std(axis=0)))
    return means | {"deviation": deviations}


if __name__ == "__main__":
    _bench.run(main)
