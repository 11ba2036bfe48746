"""What serving costs: python benchmarks/serving.py

After `dvc repro`: the latency of one request from Python, and the movies' vectors in an approximate nearest neighbour index
(faiss's HNSW) against exact search. It needs faiss-cpu, which is no part of the project:

    pip install faiss-cpu==1.15.1
"""

import sys
import time
from collections.abc import Callable

import _bench
import numpy as np

from movierec import Recommender
from movierec.errors import UserError

K, REQUESTS = 20, 300
NEIGHBOURS = 32  # of each vector in the graph that HNSW walks
EFFORTS = (20, 40, 80, 160)  # candidates that HNSW keeps while it walks


def main() -> None:
    try:
        import faiss
    except ImportError:
        raise UserError("faiss is missing; pip install faiss-cpu==1.15.1") from None
    faiss.omp_set_num_threads(1)
    began = time.perf_counter()
    recommender = Recommender.load(_bench.ROOT / "models")
    print(f"loaded in {time.perf_counter() - began:.2f} s: {len(recommender.user_ids):,} users, {len(recommender.item_ids):,} movies\n")
    rng = np.random.default_rng(0)
    users = [int(user_id) for user_id in rng.choice(recommender.user_ids, REQUESTS)]
    likes = [[int(movie_id) for movie_id in rng.choice(recommender.item_ids, 5, replace=False)] for _ in range(REQUESTS)]
    print("| one request | p50, ms | p99, ms |\n|---|---|---|")
    timed("`recommend(user_id, k=20)`", lambda i: recommender.recommend(users[i], K))
    timed("`recommend(user_id, k=20, because=True)`", lambda i: recommender.recommend(users[i], K, because=True))
    timed("`recommend_new(likes=[5 movies], k=20)`", lambda i: recommender.recommend_new(likes[i], k=K))
    timed("`similar(movie_id, k=10)`", lambda i: recommender.similar(likes[i][0], 10))

    vectors, queries = recommender.model.h_item.numpy(), recommender.model.h_user.numpy()[rng.integers(0, len(recommender.user_ids), 2000)]
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    wanted = exact.search(queries, K)[1]
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(vectors.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    print(f"\nHNSW of {len(vectors):,} vectors of {vectors.shape[1]} numbers, made in {time.perf_counter() - began:.2f} s\n")
    print(f"| index | recall@{K} against exact search | p50, ms | p99, ms |\n|---|---|---|---|")
    timed("exact | 1.000", lambda i: exact.search(queries[[i]], K))
    for effort in EFFORTS:
        index.hnsw.efSearch = effort
        found = index.search(queries, K)[1]
        recall = np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(found, wanted)])
        timed(f"HNSW, efSearch {effort} | {recall:.3f}", lambda i: index.search(queries[[i]], K))


def timed(what: str, request: Callable[[int], object]) -> None:
    """Print the median and the 99th percentile of many requests, after a few to warm up."""
    for i in range(5):
        request(i)
    took = []
    for i in range(REQUESTS):
        began = time.perf_counter()
        request(i)
        took.append(1000 * (time.perf_counter() - began))
    print(f"| {what} | {np.median(took):.3g} | {np.quantile(took, 0.99):.3g} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"serving: {error}")
