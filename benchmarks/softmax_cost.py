"""The cost of the exact and the sampled softmax by catalogue size: python benchmarks/softmax_cost.py [--users 8192]

Times the loss and its gradient, without propagation, once for all users, who have equally many interactions with every
number of movies.
"""

import time
from collections.abc import Callable

import _bench
import numpy as np
import scipy.sparse as sp
import torch

from movierec.model.sampling import GROUP, Sample, Sampler
from movierec.model.softmax import SampledItems, softmax_loss

PER_USER, DIM, TEMPERATURE = 64, 64, 0.17
REPEATS = 3
EXACT_UP_TO = 100_000  # movies; with more, the exact softmax takes minutes


def main() -> None:
    parser = _bench.parser(__doc__)
    sizes, sizes_help = [4000, 8000, 16000, 64000, 256000], "catalogue sizes (default: 4000,8000,16000,64000,256000)"
    parser.add_argument("--movies", type=_bench.integers, default=sizes, metavar="N,N,...", help=sizes_help)
    parser.add_argument("--users", type=int, default=8192, metavar="N", help="default: 8192")
    args = parser.parse_args()
    negatives = _bench.bench_params([]).negatives
    rows = []
    for n_items in args.movies:
        train = interactions(args.users, n_items)
        sampler = Sampler(train, negatives, seed=1)
        sampled = seconds(train, lambda step, sampler=sampler: sampler.draw(np.arange(args.users), step))
        exact = seconds(train) if n_items <= EXACT_UP_TO else None
        rows.append({"movies": n_items, "exact_seconds": exact, "sampled_seconds": sampled})
        _bench.say(f"{n_items:,} movies: sampled {sampled:.2f} s")
    shape = {"users": args.users, "per_user": PER_USER, "dim": DIM, "negatives": negatives}
    _bench.write_result(args.out, shape | {"rows": rows})


def interactions(n_users: int, n_items: int) -> sp.csr_matrix:
    """Random ones, (n_users, n_items); the popularity of movies falls as 1 / rank."""
    rng = np.random.default_rng(1)
    cumulated = np.cumsum(1 / np.arange(1, n_items + 1))
    items = np.searchsorted(cumulated, rng.random((n_users, PER_USER)) * cumulated[-1]).ravel()
    indptr = np.arange(0, len(items) + 1, PER_USER)
    matrix = sp.csr_matrix((np.ones(len(items), np.float32), items, indptr), shape=(n_users, n_items))
    matrix.sum_duplicates()
    return matrix


def seconds(train: sp.csr_matrix, draw: Callable[[int], list[Sample]] | None = None) -> float:
    """The least time of several runs, forward and backward; `draw` makes the samples of a step, unless it is exact."""
    generator = torch.Generator().manual_seed(1)
    random = (torch.randn(n, DIM, generator=generator) for n in train.shape)
    h_user, h_item = (torch.nn.functional.normalize(of).requires_grad_() for of in random)
    weight, times = torch.ones(train.shape[0]), []
    for step in range(REPEATS):
        began = time.perf_counter()
        sampled = None
        if draw:
            samples = draw(step)
            sampled = SampledItems(samples, np.minimum(GROUP * np.arange(len(samples) + 1), train.shape[0]))
        softmax_loss(h_user / TEMPERATURE, h_item, train, weight, sampled=sampled).backward()
        times.append(time.perf_counter() - began)
    return round(min(times), 4)


if __name__ == "__main__":
    _bench.run(main)
