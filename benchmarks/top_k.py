"""The cost of the best k movies for all users, by exact search and by indexes: python benchmarks/top_k.py

Compares the project's own search (exact, in chunks of users, without their seen movies) with faiss's exact one, its two
usual approximate indexes, and usearch. faiss and usearch are not part of the project (benchmarks/peers-requirements.txt
pins them); if one is missing, it is left out with a message.

The vectors are synthetic, with the structure of a trained model's: unit vectors of movies around centres, a few of
which are large, and users near the mean of some movies. Uniformly random ones would be harder for any index than real
data.

The indexes do not leave out seen movies: for a user who has seen s movies, an application asks for k + s. Here they are
asked for k, and their recall is against exact search that leaves out none either.
"""

import time
from collections.abc import Callable
from typing import Any

import _bench
import numpy as np
import scipy.sparse as sp
import torch

from movierec.ranking.topk import DotScorer, top_k
from movierec.utils.errors import UserError

CENTRES, NEAR_MOVIES = 300, 3
NEIGHBOURS = 32  # of each vector in an HNSW graph
EFFORTS = (40, 160)  # candidates kept during an HNSW search
PROBES = (16, 64)  # cells of IVF searched per query
OPTIONS = (
    ("users", 200_948, "as in ml-32m"),
    ("movies", 84_432, "as in ml-32m"),
    ("dim", 64, "dimensions of the vectors"),
    ("k", 20, "movies per user"),
    ("seen", 160, "seen movies per user"),
    ("sample", 0, "users to search for; the seconds for all are in proportion (0: all)"),
    ("threads", 0, "0: one per core"),
)


def clustered(n_users: int, n_movies: int, dim: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users (n_users, dim) and movies (n_movies, dim), float32, of unit length."""

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    size = 1 / np.arange(1, CENTRES + 1)  # Zipf
    centres = unit(rng.standard_normal((CENTRES, dim)))
    nearest = centres[rng.choice(CENTRES, n_movies, p=size / size.sum())]
    movies = unit(nearest + unit(rng.standard_normal((n_movies, dim))))
    near = movies[rng.integers(0, n_movies, (NEAR_MOVIES, n_users))].mean(axis=0)
    return unit(near + 0.5 * unit(rng.standard_normal((n_users, dim)))), movies


def random_seen(n_users: int, n_movies: int, each: int, rng: np.random.Generator) -> sp.csr_matrix:
    """About `each` movies for each user: (n_users, n_movies)."""
    rows = np.repeat(np.arange(n_users), each)
    ones, columns = np.ones(len(rows), dtype=np.float32), rng.integers(0, n_movies, len(rows))
    seen = sp.csr_matrix((ones, (rows, columns)), shape=(n_users, n_movies))
    seen.sum_duplicates()
    return seen


def main() -> None:
    parser = _bench.parser(__doc__)
    for name, default, description in OPTIONS:
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{description} (default: {default})")
    args = parser.parse_args()
    positive, others = (args.users, args.movies, args.dim, args.k), (args.seen, args.sample, args.threads)
    if min(positive) < 1 or min(others) < 0 or args.k > args.movies:
        least = "--users, --movies, --dim and --k must be at least 1, --k at most --movies"
        raise UserError(f"{least}, and no number below 0.")
    if args.threads:
        torch.set_num_threads(args.threads)
    threads = torch.get_num_threads()
    n_queries = min(args.sample or args.users, args.users)
    rng = np.random.default_rng(0)
    queries, vectors = clustered(n_queries, args.movies, args.dim, rng)
    result: list[dict[str, Any]] = []

    def row(name: str, built: float, search: Callable[[], np.ndarray], exact: np.ndarray | None) -> np.ndarray:
        """Time a search, add its row, and return its result, (n_queries, k)."""
        began = time.perf_counter()
        found = search()
        rate = n_queries / (time.perf_counter() - began)
        recall = 1.0
        if exact is not None:
            recall = np.mean([len(np.intersect1d(*of)) / args.k for of in zip(found, exact, strict=True)])
        figures = {"build_seconds": built, "seconds": args.users / rate, "users_per_second": rate, "recall": recall}
        result.append({"search": name} | {key: round(float(value), 3) for key, value in figures.items()})
        _bench.say(f"{name}: {args.users / rate:,.1f} s for all users, recall {recall:.3f}")
        return found

    scorer, users = DotScorer(torch.from_numpy(queries), torch.from_numpy(vectors)), np.arange(n_queries)
    seen = random_seen(n_queries, args.movies, args.seen, rng)
    row("this project, exact, without seen movies", 0, lambda: top_k(scorer, users, seen, args.k)[0], None)
    none = sp.csr_matrix(seen.shape)
    exact = row("this project, exact", 0, lambda: top_k(scorer, users, none, args.k)[0], None)
    for library, rows in (("faiss", faiss_rows), ("usearch", usearch_rows)):
        try:
            rows(queries, vectors, args.k, threads, lambda name, built, search: row(name, built, search, exact))
        except ImportError:
            _bench.say(f"{library} is missing; benchmarks/peers-requirements.txt has it.")
    sizes = {name: getattr(args, name) for name, *_ in OPTIONS if name != "threads"}
    _bench.write_result(args.out, sizes | {"sample": n_queries, "rows": result})


def faiss_rows(queries: np.ndarray, vectors: np.ndarray, k: int, threads: int, row: Callable) -> None:
    """faiss: exact, IVF (inverted lists of k-means cells), HNSW (Malkov and Yashunin 2018)."""
    import faiss

    faiss.omp_set_num_threads(threads)
    dim, product = vectors.shape[1], faiss.METRIC_INNER_PRODUCT

    def built(index) -> float:
        began = time.perf_counter()
        index.train(vectors)
        index.add(vectors)
        return time.perf_counter() - began

    flat = faiss.IndexFlatIP(dim)
    row("faiss, exact", built(flat), lambda: flat.search(queries, k)[1])
    cells = max(1, min(round(4 * len(vectors) ** 0.5), len(vectors) // 39))  # faiss asks for 39 vectors per cell
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, product)
    seconds = built(ivf)
    for probes in PROBES:
        ivf.nprobe = probes
        row(f"faiss, IVF, {probes} of {cells} cells", seconds, lambda: ivf.search(queries, k)[1])
    hnsw = faiss.IndexHNSWFlat(dim, NEIGHBOURS, product)
    seconds = built(hnsw)
    for effort in EFFORTS:
        hnsw.hnsw.efSearch = effort
        row(f"faiss, HNSW, efSearch {effort}", seconds, lambda: hnsw.search(queries, k)[1])


def usearch_rows(queries: np.ndarray, vectors: np.ndarray, k: int, threads: int, row: Callable) -> None:
    """usearch: another implementation of HNSW."""
    from usearch.index import Index

    began = time.perf_counter()
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=NEIGHBOURS)
    index.add(np.arange(len(vectors)), vectors, threads=threads)
    seconds = time.perf_counter() - began

    def search() -> np.ndarray:
        return np.atleast_2d(index.search(queries, k, threads=threads).keys)

    for effort in EFFORTS:
        index.expansion_search = effort
        row(f"usearch, expansion {effort}", seconds, search)


if __name__ == "__main__":
    _bench.run(main)
