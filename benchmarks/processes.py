"""Two processes of one thread against one: python benchmarks/processes.py [--graph data/graph/graph.npz] [--processes 2] [--epochs 5]

Trains the graph part of the model with the params of params.yaml, once in one process and once in several, each with one thread, and prints
the seconds of training (start-up left out), their ratio, and how far the two models are apart.
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

from movierec.edges import stored_graph, train_matrix
from movierec.graph import Graph
from movierec.lightgcn import LightGCN, spectral_start
from movierec.ranks import join
from movierec.storage import read_arrays, write_arrays
from movierec.training import Settings, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, default=_bench.ROOT / "data/graph/graph.npz")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param, instead of params.yaml's; may be repeated")
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # where one of the runs puts its figures
    args = parser.parse_args()
    if args.out:
        return run(args)
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n in (1, args.processes):
            out = Path(scratch) / f"{n}.npz"
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}", __file__, *sys.argv[1:], "--out", str(out)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
            figures[n] = read_arrays(out)
    one, several = figures.values()
    print(json.dumps({
        "seconds": {n: round(float(of["seconds"]), 2) for n, of in figures.items()},
        "times faster": round(float(one["seconds"] / several["seconds"]), 2),
        "largest difference of a vector's entry": float(max(np.abs(one[side] - several[side]).max() for side in ("h_user", "h_item"))),
        "users, movies, interactions": one["shape"].tolist(),
        "epochs": args.epochs,
    }, indent=1))  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """One of the processes of a run."""
    params = _bench.bench_params([*args.set, f"epochs={args.epochs}"])
    ranks = join("cpu", 1)
    arrays = stored_graph(read_arrays(args.graph))
    train, graph = train_matrix(arrays), Graph(arrays, ranks=ranks)
    # In the place of validation, whose ranking is a part of an epoch; it holds what is left out of rankings, and chooses nothing.
    asked = train.copy()
    asked.data[:] = np.random.default_rng(1).random(asked.nnz) < 0.1
    asked.eliminate_zeros()
    model = LightGCN(graph, spectral_start(train, params["embedding_dim"], params["seed"]), params["n_layers"])
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # torch imports a second's worth of modules at the first optimiser
    ranks.total(0.0)  # all are here
    began = time.perf_counter()
    fit(model, train, asked, Settings(**{name: params[name] for name in Settings._fields}))
    seconds = time.perf_counter() - began
    with torch.no_grad():
        h_user, h_item = model()
    h_user = ranks.rows(h_user)
    if ranks.leads:
        write_arrays(args.out, seconds=seconds, h_user=h_user.numpy(), h_item=h_item.numpy(), shape=np.array([*train.shape, train.nnz]))


if __name__ == "__main__":
    main()
