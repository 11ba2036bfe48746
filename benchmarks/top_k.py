"""The best movies for every user by exact search and by approximate indexes: python benchmarks/top_k.py [--users N --movies N]

Exact search is the project's own (`ranking.top_k`, in chunks of users). faiss and usearch are measured where they are installed
(benchmarks/peers-requirements.txt). Vectors are made up, in clusters of unlike sizes, as those of movies and their public are. Nothing is left out as
seen: who leaves movies out of an index's answer has to ask it for as many more. Prints a table in Markdown.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable

import _bench  # noqa: F401  (the library on the path)
import numpy as np
import scipy.sparse as sp
import torch

from movierec.errors import UserError
from movierec.ranking import dot_scorer, top_k

CLUSTERS = 200
SPREAD = 0.9  # of the vectors of a cluster, beside its centre's length of 1
INDEX_SIZE, EXPANSION = 32, 80  # of HNSW: links of a node; nodes looked at when asked
LISTS, PROBED = 1024, 32  # of IVF


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200_948)
    parser.add_argument("--movies", type=int, default=84_432)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--sample", type=int, metavar="N", help="ask for so many users alone")
    args = parser.parse_args()
    if min(args.users, args.movies, args.dim, args.k) < 1 or args.k > args.movies:
        raise UserError("--users, --movies, --dim and --k must be 1 or more, and --k at most --movies.")
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(CLUSTERS, args.dim))
    movies, users = (vectors(n, centres, rng) for n in (args.movies, min(args.sample or args.users, args.users)))
    print(f"The best {args.k} of {args.movies:,} movies for {len(users):,} users, {args.dim} dimensions, {torch.get_num_threads()} threads:\n")
    print("| search | building, s | all users, s | users per s | recall |\n|---|---|---|---|---|")
    exact = measure("exact, this project", lambda: exact_search(movies, users, args.k), None)
    if importlib.util.find_spec("faiss"):
        measure("exact, faiss", lambda: flat(movies, users, args.k), exact)
        measure(f"HNSW, faiss (efSearch {EXPANSION})", lambda: hnsw(movies, users, args.k), exact)
        measure(f"IVF, faiss ({PROBED} of {LISTS:,} lists)", lambda: ivf(movies, users, args.k), exact)
    if importlib.util.find_spec("usearch"):
        measure(f"HNSW, usearch (expansion {EXPANSION})", lambda: usearch_hnsw(movies, users, args.k), exact)
    missing = [name for name in ("faiss", "usearch") if not importlib.util.find_spec(name)]
    if missing:
        print(f"\nnot installed, and so not measured: {', '.join(missing)} (pip install -r benchmarks/peers-requirements.txt)")


def vectors(n: int, centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, dim) float32, unit vectors around the centres, the first of which have the most."""
    share = 1 / np.arange(1, len(centres) + 1)
    made = centres[rng.choice(len(centres), n, p=share / share.sum())] + SPREAD * rng.normal(size=(n, centres.shape[1]))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def measure(name: str, search: Callable[[], tuple[float, np.ndarray]], exact: np.ndarray | None) -> np.ndarray:
    """Print a row; `search` gives the seconds of building, and each user's movies."""
    began = time.perf_counter()
    built, found = search()
    seconds = time.perf_counter() - began - built
    recall = 1.0 if exact is None else np.mean([len(np.intersect1d(*pair)) for pair in zip(exact[:2000], found[:2000])]) / exact.shape[1]
    print(f"| {name} | {built:.1f} | {seconds:.1f} | {len(found) / seconds:,.0f} | {recall:.3f} |", flush=True)
    return found


def exact_search(movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    seen = sp.csr_matrix((len(users), len(movies)), dtype=np.float32)
    return 0.0, top_k(dot_scorer(torch.from_numpy(users), torch.from_numpy(movies)), np.arange(len(users)), seen, k)[0]


def searched(index, movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Build one of faiss' indexes, and ask it."""
    began = time.perf_counter()
    if not index.is_trained:
        index.train(movies)
    index.add(movies)
    built = time.perf_counter() - began
    return built, index.search(users, k)[1]


def flat(movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    import faiss

    return searched(faiss.IndexFlatIP(movies.shape[1]), movies, users, k)


def hnsw(movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    import faiss

    index = faiss.IndexHNSWFlat(movies.shape[1], INDEX_SIZE, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = EXPANSION
    return searched(index, movies, users, k)


def ivf(movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    import faiss

    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(movies.shape[1]), movies.shape[1], min(LISTS, len(movies) // 40 + 1), faiss.METRIC_INNER_PRODUCT)
    index.nprobe = PROBED
    return searched(index, movies, users, k)


def usearch_hnsw(movies: np.ndarray, users: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    from usearch.index import Index

    began = time.perf_counter()
    index = Index(ndim=movies.shape[1], metric="ip", dtype="f32", connectivity=INDEX_SIZE, expansion_search=EXPANSION)
    index.add(np.arange(len(movies)), movies)
    built = time.perf_counter() - began
    return built, index.search(users, k).keys


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"top_k: {error}")
