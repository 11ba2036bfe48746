"""Several processes of one thread each against one: python benchmarks/processes.py [--processes 2] [--epochs 5]

Trains the graph model with the params of params.yaml, in one process and in several, and prints the seconds of training
(without start-up), their ratio, and the largest difference between the two models.
"""

import argparse
import json
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
from movierec.model.distributed import join
from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.training import LightGCNTraining
from movierec.utils.errors import UserError
from movierec.utils.storage import read_arrays, write_arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = _bench.ROOT / "data/graph/graph.npz"
    parser.add_argument("--graph", type=Path, default=default, help="default: data/graph/graph.npz")
    parser.add_argument("--processes", type=int, default=2, help="default: 2")
    parser.add_argument("--epochs", type=int, default=5, help="default: 5")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_bench.HELP_OF_SET)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # the result of one of the two runs
    args = parser.parse_args()
    run(args) if args.out else compare(args)


def compare(args: argparse.Namespace) -> None:
    """Print the figures of one process and of several."""
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n in (1, args.processes):
            out = Path(scratch) / f"{n}.npz"
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
            command = [*torchrun, __file__, *sys.argv[1:], "--out", str(out)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
            results[n] = read_arrays(out)
    one, several = results.values()
    difference = max(np.abs(one[side] - several[side]).max() for side in ("h_user", "h_item"))
    figures = {
        "seconds": {n: round(float(of["seconds"]), 2) for n, of in results.items()},
        "times faster": round(float(one["seconds"] / several["seconds"]), 2),
        "largest difference of a vector's entry": float(difference),
        "users, movies, interactions": one["shape"].tolist(),
        "epochs": args.epochs,
    }
    print(json.dumps(figures, indent=1))


def run(args: argparse.Namespace) -> None:
    """Train, in one of the processes."""
    params = _bench.bench_params([*args.set, f"epochs={args.epochs}"])
    group = join("cpu", 1)
    arrays = GraphArrays.from_stored(read_arrays(args.graph))
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
        write_arrays(args.out, seconds=seconds, h_user=h_user.numpy(), h_item=h_item.numpy(), shape=shape)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"processes: {error}")
