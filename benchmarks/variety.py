"""The effect of `diversity` on test: python benchmarks/variety.py

After `dvc repro` with a split strategy that does not follow time: the re-ranked lists of all users, without the movies
of train and validation.
"""

import _bench
import numpy as np

from movierec.evaluation.beyond_accuracy import coverage, diversity, times_recommended
from movierec.evaluation.measure import K, ground_truth
from movierec.interactions.matrix import to_csr
from movierec.ranking.metrics import user_metrics
from movierec.ranking.topk import top_k
from movierec.recommend.recommender import Recommender
from movierec.recommend.reranking import POOL, diversify
from movierec.utils.errors import UserError
from movierec.utils.storage import read_table

PARTS = ("split/train", "split/valid", "test/test")
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)


def main() -> None:
    args = _bench.parser(__doc__).parse_args()
    recommender = Recommender.load(_bench.ROOT / "models")
    if recommender.follows_time:
        raise UserError("the model follows time; run `dvc repro` with split_strategy: random first.")
    model, shape = recommender.model, (len(recommender.user_ids), len(recommender.item_ids))
    train, valid, test = (to_csr(read_table(_bench.ROOT / f"data/{part}.parquet"), *shape) for part in PARTS)
    items, scores = top_k(model.scorer(), np.arange(shape[0]), train + valid, POOL * K)
    truth = ground_truth("after_valid", test, train)
    rows = []
    for strength in STRENGTHS:
        lists = diversify(items, scores, model.h_item.numpy(), strength)[0][truth.users]
        metrics = user_metrics(lists, truth.relevant, [K])
        figures = {name: metrics[name].mean() for name in (f"ndcg@{K}", f"recall@{K}")}
        figures["genre_distance"] = diversity(lists, model.graph.item_genres)
        figures["vector_distance"] = vector_distance(lists, model.h_item.numpy())
        figures[f"coverage@{K}"] = coverage(times_recommended(lists, shape[1]))
        rows.append({"diversity": strength} | {name: round(float(figure), 6) for name, figure in figures.items()})
    _bench.write_result(args.out, {"rows": rows})


def vector_distance(lists: np.ndarray, vectors: np.ndarray) -> float:
    """The mean of 1 - cosine over the pairs of each list (n, K), by unit vectors (n_items, dim)."""
    pairs = np.triu_indices(K, 1)
    return float(1 - np.mean([((h := vectors[items]) @ h.T)[pairs].mean() for items in lists]))


if __name__ == "__main__":
    _bench.run(main)
