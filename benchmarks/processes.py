"""Several processes of one thread each against one: python benchmarks/processes.py [--processes 2] [--epochs 5]

Trains the graph model with the params of params.yaml, in one process and in several: the seconds of training (without
start-up), and the largest difference between an entry of the two models' vectors.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _bench
import numpy as np
import torch
from published_split import import_optimisers

from movierec.interactions.graph_arrays import GraphArrays
from movierec.model.fit import with_choices
from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.training import LightGCNTraining
from movierec.utils.distributed import join
from movierec.utils.storage import read_arrays, write_arrays


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    default = _bench.ROOT / "data/graph/graph.npz"
    parser.add_argument("--graph", type=Path, default=default, help="default: data/graph/graph.npz")
    parser.add_argument("--processes", type=int, default=2, help="default: 2")
    parser.add_argument("--epochs", type=int, default=5, help="default: 5")
    parser.add_argument("--arrays", type=Path, help=argparse.SUPPRESS)  # the file of one of the two runs
    args = parser.parse_args()
    run(args) if args.arrays else compare(args)


def compare(args: argparse.Namespace) -> None:
    """Write the figures of one process and of several."""
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n in (1, args.processes):
            out = Path(scratch) / f"{n}.npz"
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
            command = [*torchrun, __file__, *sys.argv[1:], "--arrays", str(out)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
            results[n] = read_arrays(out)
    one, several = results.values()
    difference = max(np.abs(one[side] - several[side]).max() for side in ("h_user", "h_item"))
    figures = dict(zip(("users", "movies", "interactions"), one["shape"].tolist()))
    figures |= {"epochs": args.epochs, "seconds": {str(n): float(of["seconds"]) for n, of in results.items()}}
    speedup = float(one["seconds"] / several["seconds"])
    _bench.write_result(args.out, figures | {"speedup": speedup, "largest_difference": float(difference)})


def run(args: argparse.Namespace) -> None:
    """Train, in one of the processes."""
    group = join("cpu", 1)
    arrays = GraphArrays.from_stored(read_arrays(args.graph))
    params = with_choices(_bench.bench_params([*args.set, f"epochs={args.epochs}"]), arrays.n_items)
    train, graph = arrays.binary_matrix(), Graph(arrays, group=group)
    # In place of validation, whose ranking is a part of each epoch. They are left out of rankings, and choose nothing.
    ranked = train.copy()
    ranked.data[:] = np.random.default_rng(1).random(ranked.nnz) < 0.1
    ranked.eliminate_zeros()
    model = LightGCN(graph, spectral_embeddings(train, params.embedding_dim, params.seed), params.n_layers)
    import_optimisers()
    group.concat(np.zeros(1))  # waits for all
    began = time.perf_counter()
    LightGCNTraining(model, train, ranked, params).run()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        h_user, h_item = model()
    h_user, shape = group.rows(h_user), np.array([*train.shape, train.nnz])
    if group.leads:
        write_arrays(args.arrays, seconds=seconds, h_user=h_user.numpy(), h_item=h_item.numpy(), shape=shape)


if __name__ == "__main__":
    _bench.run(main)
