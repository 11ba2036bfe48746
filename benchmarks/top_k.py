"""What the best k of all movies for all users cost, exactly and with indexes: python benchmarks/top_k.py

The project's own search (exact, in chunks of users, without what each has seen) against faiss's exact one, its two usual approximate indexes, and usearch.
faiss and usearch are no part of the project (benchmarks/peers-requirements.txt pins them); what is missing is left out, and said.

Vectors are made up, of the structure that a trained model's have: unit vectors of movies around centres, a few of which are large, and users near
the mean of some movies. Uniformly random ones would be harder for every index than any real data.

Indexes do not leave out what a user has seen: to serve a user who has seen s movies, one asks for k + s. Here they are asked for k, and their recall is
against exact search that leaves out nothing either.
"""

import argparse
import sys
import time
from collections.abc import Callable

import _bench
import numpy as np
import scipy.sparse as sp
import torch

from movierec.errors import UserError
from movierec.ranking import DotScorer, top_k

CENTRES, NEAR_MOVIES = 300, 3
NEIGHBOURS = 32  # of each vector in an HNSW graph
EFFORTS = (40, 160)  # candidates kept while walking it
PROBES = (16, 64)  # of IVF's cells, looked through for a query


def clustered(n_users: int, n_movies: int, dim: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users (n_users, dim) and movies (n_movies, dim), float32, of unit length."""

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    size = 1 / np.arange(1, CENTRES + 1)  # Zipf
    centres = unit(rng.standard_normal((CENTRES, dim)))
    movies = unit(centres[rng.choice(CENTRES, n_movies, p=size / size.sum())] + unit(rng.standard_normal((n_movies, dim))))
    near = movies[rng.integers(0, n_movies, (NEAR_MOVIES, n_users))].mean(axis=0)
    return unit(near + 0.5 * unit(rng.standard_normal((n_users, dim)))), movies


def random_seen(n_users: int, n_movies: int, each: int, rng: np.random.Generator) -> sp.csr_matrix:
    """About `each` movies for each user: (n_users, n_movies)."""
    rows = np.repeat(np.arange(n_users), each)
    seen = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, rng.integers(0, n_movies, len(rows)))), shape=(n_users, n_movies))
    seen.sum_duplicates()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, what in (
        ("users", 200_948, "as ml-32m has"), ("movies", 84_432, "as ml-32m has"), ("dim", 64, "numbers per vector"), ("k", 20, "movies per user"),
        ("seen", 160, "movies that each user has seen"), ("sample", 0, "users to ask for; the seconds for all are in proportion (0: all)"),
        ("threads", 0, "0: as many as there are cores"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default: {default})")
    args = parser.parse_args()
    if min(args.users, args.movies, args.dim, args.k) < 1 or min(args.seen, args.sample, args.threads) < 0 or args.k > args.movies:
        raise UserError("--users, --movies, --dim and --k must be 1 or more, --k at most --movies, and no number below 0.")
    if args.threads:
        torch.set_num_threads(args.threads)
    threads = torch.get_num_threads()
    n_asked = min(args.sample or args.users, args.users)
    rng = np.random.default_rng(0)
    queries, vectors = clustered(n_asked, args.movies, args.dim, rng)
    print(f"{args.users:,} users, {args.movies:,} movies, {args.dim} numbers each, k {args.k}; threads: {threads}; asked for {n_asked:,} users\n")
    print(f"| search | built in, s | all users, s | users per s | recall@{args.k} |\n|---|---|---|---|---|", flush=True)

    def row(name: str, built: float, search: Callable[[], np.ndarray], wanted: np.ndarray | None) -> np.ndarray:
        """Time a search, print its row, and return what it found: (n_asked, k)."""
        began = time.perf_counter()
        found = search()
        rate = n_asked / (time.perf_counter() - began)
        recall = 1.0 if wanted is None else np.mean([len(np.intersect1d(one, other)) / args.k for one, other in zip(found, wanted)])
        print(f"| {name} | {built:.1f} | {args.users / rate:,.1f} | {rate:,.0f} | {recall:.3f} |", flush=True)
        return found

    scorer, everyone = DotScorer(torch.from_numpy(queries), torch.from_numpy(vectors)), np.arange(n_asked)
    seen = random_seen(n_asked, args.movies, args.seen, rng)
    row("`ranking.top_k`, exact, without what they have seen", 0, lambda: top_k(scorer, everyone, seen, args.k)[0], None)
    exact = row("`ranking.top_k`, exact", 0, lambda: top_k(scorer, everyone, sp.csr_matrix(seen.shape), args.k)[0], None)
    for library, rows in (("faiss", faiss_rows), ("usearch", usearch_rows)):
        try:
            rows(queries, vectors, args.k, threads, lambda name, built, search: row(name, built, search, exact))
        except ImportError:
            _bench.say(f"{library} is missing; pip install -r benchmarks/peers-requirements.txt")


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
    cells = max(1, min(round(4 * len(vectors) ** 0.5), len(vectors) // 39))  # 39: what faiss wants at least, to learn a cell
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, product)
    took = built(ivf)
    for probes in PROBES:
        ivf.nprobe = probes
        row(f"faiss, IVF, {probes} of {cells} cells", took, lambda: ivf.search(queries, k)[1])
    hnsw = faiss.IndexHNSWFlat(dim, NEIGHBOURS, product)
    took = built(hnsw)
    for effort in EFFORTS:
        hnsw.hnsw.efSearch = effort
        row(f"faiss, HNSW, efSearch {effort}", took, lambda: hnsw.search(queries, k)[1])


def usearch_rows(queries: np.ndarray, vectors: np.ndarray, k: int, threads: int, row: Callable) -> None:
    """usearch: HNSW again, by another hand."""
    from usearch.index import Index

    began = time.perf_counter()
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=NEIGHBOURS)
    index.add(np.arange(len(vectors)), vectors, threads=threads)
    took = time.perf_counter() - began
    for effort in EFFORTS:
        index.expansion_search = effort
        row(f"usearch, expansion {effort}", took, lambda: np.atleast_2d(index.search(queries, k, threads=threads).keys))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"top_k: {error}")
