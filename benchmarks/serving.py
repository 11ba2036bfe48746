"""The cost of serving: python benchmarks/serving.py

After `dvc repro`: the latency of one request from Python, and an approximate nearest-neighbour index of the movies'
vectors (faiss's HNSW) against exact search. It needs faiss-cpu, which is not part of the project:

    pip install faiss-cpu==1.15.1
"""

import sys
import time
from collections.abc import Callable

import _bench
import numpy as np

from movierec import Recommender
from movierec.utils.errors import UserError

K, REQUESTS, QUERIES = 20, 300, 2000
NEIGHBOURS = 32  # of each vector in the HNSW graph
EFFORTS = (20, 40, 80, 160)  # candidates kept during an HNSW search


def main() -> None:
    try:
        import faiss
    except ImportError:
        raise UserError("faiss is missing; pip install faiss-cpu==1.15.1") from None
    faiss.omp_set_num_threads(1)
    began = time.perf_counter()
    recommender = Recommender.load(_bench.ROOT / "models")
    n_users, n_movies = len(recommender.user_ids), len(recommender.item_ids)
    print(f"loaded in {time.perf_counter() - began:.2f} s: {n_users:,} users, {n_movies:,} movies\n")
    rng = np.random.default_rng(0)
    users = rng.choice(recommender.user_ids, REQUESTS).tolist()
    likes = [rng.choice(recommender.item_ids, 5, replace=False).tolist() for _ in range(REQUESTS)]
    print("| one request | p50, ms | p99, ms |\n|---|---|---|")
    timed("`recommend(user_id, k=20)`", lambda i: recommender.recommend(users[i], K))
    timed("`recommend(user_id, k=20, because=True)`", lambda i: recommender.recommend(users[i], K, because=True))
    timed("`recommend_new(likes=[5 movies], k=20)`", lambda i: recommender.recommend_new(likes[i], k=K))
    timed("`similar(movie_id, k=10)`", lambda i: recommender.similar(likes[i][0], 10))

    vectors = recommender.model.h_item.numpy()
    queries = recommender.model.h_user.numpy()[rng.integers(0, n_users, QUERIES)]
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    nearest = exact.search(queries, K)[1]
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(vectors.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    seconds = time.perf_counter() - began
    print(f"\nHNSW of {len(vectors):,} vectors of {vectors.shape[1]} dimensions, built in {seconds:.2f} s\n")
    print(f"| index | recall@{K} against exact search | p50, ms | p99, ms |\n|---|---|---|---|")
    timed("exact | 1.000", lambda i: exact.search(queries[[i]], K))
    for effort in EFFORTS:
        index.hnsw.efSearch = effort
        found = index.search(queries, K)[1]
        recall = np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(found, nearest, strict=True)])
        timed(f"HNSW, efSearch {effort} | {recall:.3f}", lambda i: index.search(queries[[i]], K))


def timed(name: str, request: Callable[[int], object]) -> None:
    """Print the median and the 99th percentile of the times of `REQUESTS` requests, after a few to warm up."""
    for i in range(5):
        request(i)
    times = []
    for i in range(REQUESTS):
        began = time.perf_counter()
        request(i)
        times.append(1000 * (time.perf_counter() - began))
    print(f"| {name} | {np.median(times):.3g} | {np.quantile(times, 0.99):.3g} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"serving: {error}")
