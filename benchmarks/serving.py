"""The cost of serving: python benchmarks/serving.py

After `dvc repro`: the latency of one request from Python, and an approximate nearest-neighbour index of the movies'
vectors (faiss's HNSW) against exact search. It needs faiss-cpu, which is not part of the project
(peers-requirements.txt has it).
"""

import time
from collections.abc import Callable
from typing import Any

import _bench
import numpy as np

from movierec.recommend.recommender import Recommender
from movierec.utils.errors import UserError

K, REQUESTS, QUERIES = 20, 300, 2000
NEIGHBOURS = 32  # of each vector in the HNSW graph
EFFORTS = (20, 40, 80, 160)  # candidates kept during an HNSW search


def main() -> None:
    args = _bench.parser(__doc__).parse_args()
    try:
        import faiss
    except ImportError:
        raise UserError("faiss is missing; benchmarks/peers-requirements.txt has it.") from None
    faiss.omp_set_num_threads(1)
    began = time.perf_counter()
    recommender = Recommender.load(_bench.ROOT / "models")
    loaded = round(time.perf_counter() - began, 2)
    rng = np.random.default_rng(0)
    users = rng.choice(recommender.user_ids, REQUESTS).tolist()
    likes = [rng.choice(recommender.item_ids, 5, replace=False).tolist() for _ in range(REQUESTS)]
    requests = {
        "recommend(user_id, k=20)": lambda i: recommender.recommend(users[i], K),
        "recommend(user_id, k=20, because=True)": lambda i: recommender.recommend(users[i], K, because=True),
        "recommend_new(likes=[5 movies], k=20)": lambda i: recommender.recommend_new(likes[i], k=K),
        "similar(movie_id, k=10)": lambda i: recommender.similar(likes[i][0], 10),
    }
    figures: dict[str, Any] = {"users": len(recommender.user_ids), "movies": len(recommender.item_ids)}
    figures |= {"load_seconds": loaded, "requests": [{"request": name} | timed(of) for name, of in requests.items()]}

    vectors = recommender.model.h_item.numpy()
    queries = recommender.model.h_user.numpy()[rng.integers(0, len(recommender.user_ids), QUERIES)]
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    nearest = exact.search(queries, K)[1]
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(vectors.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    seconds = round(time.perf_counter() - began, 3)
    rows = [{"index": "exact", f"recall@{K}": 1.0} | timed(lambda i: exact.search(queries[[i]], K))]
    for effort in EFFORTS:
        index.hnsw.efSearch = effort
        found = index.search(queries, K)[1]
        recall = np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(found, nearest, strict=True)])
        row = {"index": f"HNSW, efSearch {effort}", f"recall@{K}": round(float(recall), 4)}
        rows.append(row | timed(lambda i: index.search(queries[[i]], K)))
    dim = vectors.shape[1]
    figures["index"] = {"vectors": len(vectors), "dim": dim, "neighbours": NEIGHBOURS, "build_seconds": seconds}
    figures["index"] |= {"rows": rows}
    _bench.write_result(args.out, figures)


def timed(request: Callable[[int], object]) -> dict[str, float]:
    """The median and the 99th percentile of the times of `REQUESTS` requests, in ms, after a few to warm up."""
    for i in range(5):
        request(i)
    times = []
    for i in range(REQUESTS):
        began = time.perf_counter()
        request(i)
        times.append(1000 * (time.perf_counter() - began))
    return {"p50_ms": round(float(np.median(times)), 4), "p99_ms": round(float(np.quantile(times, 0.99)), 4)}


if __name__ == "__main__":
    _bench.run(main)
