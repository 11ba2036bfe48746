"""What the exact and the sampled softmax cost as the catalogue grows: python benchmarks/softmax_cost.py [--movies 4000,16000,64000,256000] [--users 8192]

The loss and its gradient for all of some users once, with as many interactions whatever the number of movies; no propagation. Prints a table.
"""

import argparse
import sys
import time

import _bench
import numpy as np
import scipy.sparse as sp
import torch
from rich.console import Console
from rich.table import Table

from movierec.errors import UserError
from movierec.sampling import GROUP, Sampler
from movierec.softmax import Sampled, softmax_loss

PER_USER, DIM = 64, 64
REPEATS = 3
EXACT_UP_TO = 100_000  # movies: beyond, the exact one takes minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movies", default="4000,8000,16000,64000,256000", metavar="N,N,...")
    parser.add_argument("--users", type=int, default=8192, metavar="N")
    args = parser.parse_args()
    negatives = _bench.bench_params([])["negatives"]
    table = Table(title=f"seconds for {args.users:,} users with {PER_USER} movies each, {DIM} dimensions, {torch.get_num_threads()} threads")
    for column in ("movies", "exact", f"sampled, {negatives:,} negatives", "sampled / exact"):
        table.add_column(column, justify="right")
    for n_items in map(int, args.movies.split(",")):
        train = interactions(args.users, n_items)
        sampler = Sampler(train, negatives, seed=1)
        sampled = seconds(train, lambda step, sampler=sampler: sampler.draw(np.arange(args.users), step))
        exact = seconds(train, lambda step: None) if n_items <= EXACT_UP_TO else None
        table.add_row(f"{n_items:,}", f"{exact:.2f}" if exact else "-", f"{sampled:.2f}", f"{sampled / exact:.2f}" if exact else "-")
    Console().print(table)


def interactions(n_users: int, n_items: int) -> sp.csr_matrix:
    """(n_users, n_items), with movies' popularity falling as 1 / rank."""
    rng = np.random.default_rng(1)
    cumulated = np.cumsum(1 / np.arange(1, n_items + 1))
    items = np.searchsorted(cumulated, rng.random((n_users, PER_USER)) * cumulated[-1])
    matrix = sp.csr_matrix((np.ones(items.size, np.float32), items.ravel(), np.arange(0, items.size + 1, PER_USER)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    return matrix


def seconds(train: sp.csr_matrix, draw) -> float:
    """The least of several runs, forward and backward."""
    generator = torch.Generator().manual_seed(1)
    h_user, h_item = (torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator)).requires_grad_() for n in train.shape)
    weight, took = torch.ones(train.shape[0]), []
    for step in range(REPEATS):
        began = time.perf_counter()
        samples = draw(step)
        sampled = samples and Sampled(samples, np.minimum(GROUP * np.arange(len(samples) + 1), train.shape[0]))
        softmax_loss(h_user / 0.17, h_item, train, weight, sampled=sampled).backward()
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"softmax_cost: {error}")
