"""What `diversity` costs and gives, on test: python benchmarks/variety.py

After `dvc repro` with a split that is not in time: the re-ranked lists of everyone, movies of train and validation left out.
"""

import sys
from pathlib import Path

import _bench
import numpy as np

from movierec import Recommender
from movierec.beyond_accuracy import coverage, diversity, times_recommended
from movierec.diversity import POOL, diversified
from movierec.errors import UserError
from movierec.evaluation import K, asked, measure
from movierec.interactions import Split, to_csr
from movierec.ranking import top_k
from movierec.storage import read_table

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)


def main() -> None:
    recommender = Recommender.load(_bench.ROOT / "models")
    if recommender.follows_time:
        raise UserError("the model follows time; run `dvc repro` with split_strategy: random first.")
    shape = (len(recommender.user_ids), len(recommender.item_ids))
    train, valid, test = (to_csr(read_table(_bench.ROOT / Path(f"data/split/{part}.parquet")), *shape) for part in Split._fields)
    items, scores = top_k(recommender.model.scorer(recommender.graph), np.arange(shape[0]), train + valid, POOL * K)
    part, vectors = asked(test, train), recommender.model.h_item
    print(f"| `diversity` | NDCG@{K} | Recall@{K} | unlike genres in a list | unlike vectors in a list | coverage@{K} |\n|---|---|---|---|---|---|")
    for strength in STRENGTHS:
        ranked = np.concatenate([
            diversified(items[at : at + 512], scores[at : at + 512], vectors, K, strength)[0] for at in range(0, shape[0], 512)
        ])  # fmt: skip
        measured = measure(part, {"model": ranked}, [])
        lists = measured.lists["model"]
        cosine = np.mean([((h := vectors[of].numpy()) @ h.T)[np.triu_indices(K, 1)].mean() for of in lists])
        figures = (
            measured.mean("model", f"ndcg@{K}"), measured.mean("model", f"recall@{K}"), diversity(lists, recommender.graph.item_genres),
            1 - cosine, coverage(times_recommended(lists, shape[1])),
        )  # fmt: skip
        print(f"| {strength:g} | " + " | ".join(f"{figure:.4f}" for figure in figures) + " |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"variety: {error}")
