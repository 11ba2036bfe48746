"""Other ways to train the graph model against one process on a CPU: python benchmarks/processes.py [--processes 2]

Trains with the params of params.yaml, in one process and in several of one thread each, or with `--device cuda` on the
CPU with all threads and on a GPU. The seconds of training (without start-up), NDCG@20 on a held-out tenth, and the
largest difference between an entry of the two models' vectors.
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
import pandas as pd
import torch
from published_split import import_optimisers
from synthetic import generate

from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.matrix import to_csr
from movierec.model.fit import with_choices
from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.training import LightGCNTraining
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.distributed import join


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    default = _bench.ROOT / "data/graph/graph.npz"
    parser.add_argument("--graph", type=Path, default=default, help="default: data/graph/graph.npz")
    parser.add_argument("--interactions", type=int, help="of a graph of synthetic.py, in place of --graph")
    parser.add_argument("--processes", type=int, default=2, help="default: 2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: a GPU against the CPU")
    parser.add_argument("--epochs", type=int, default=5, help="default: 5")
    parser.add_argument("--arrays", type=Path, help=argparse.SUPPRESS)  # the file of one of the two runs
    args = parser.parse_args()
    run(args) if args.arrays else compare(args)


def compare(args: argparse.Namespace) -> None:
    """Write the figures of one process on the CPU and of the other way."""
    gpu = args.device == "cuda"
    ways = {"cpu": 1, "cuda": 1} if gpu else {"1": 1, str(args.processes): args.processes}  # the processes of each
    variables = os.environ | ({} if gpu else {"OMP_NUM_THREADS": "1"})
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        graph = synthetic_graph(args.interactions, Path(scratch)) if args.interactions else args.graph
        for name, processes in ways.items():
            out = Path(scratch) / f"{name}.npz"
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
            options = [*sys.argv[1:], "--graph", str(graph), "--device", name if gpu else "cpu", "--arrays", str(out)]
            subprocess.run([*torchrun, __file__, *options], check=True, env=variables)
            results[name] = read_arrays(out)
    one, other = results.values()
    difference = max(np.abs(one[side] - other[side]).max() for side in ("h_user", "h_item"))
    figures = dict(zip(("users", "movies", "interactions"), one["shape"].tolist()))
    for figure in ("seconds", "ndcg@20"):
        figures[figure] = {name: round(float(of[figure]), 6) for name, of in results.items()}
    figures |= {"gpu": torch.cuda.get_device_name()} if gpu else {}
    speedup = float(one["seconds"] / other["seconds"])
    figures |= {"epochs": args.epochs, "speedup": speedup, "largest_difference": float(difference)}
    _bench.write_result(args.out, figures)


def synthetic_graph(n_interactions: int, folder: Path) -> Path:
    """The file of a graph of the positive interactions of synthetic data."""
    generate(folder, n_interactions, seed=1)
    ratings = pd.read_csv(folder / "ratings.csv", usecols=["userId", "movieId", "rating"])
    liked = ratings[ratings["rating"] >= 3]
    pairs = pd.DataFrame({"user": liked["userId"] - 1, "item": liked["movieId"] - 1})
    n_users, n_items = pairs.max() + 1
    none = np.zeros((n_users, 2), np.int8), np.zeros((n_items, 0), np.int8)
    write_arrays(folder / "graph.npz", **graph_arrays(to_csr(pairs, n_users, n_items), *none)._asdict())
    return folder / "graph.npz"


def run(args: argparse.Namespace) -> None:
    """Train, in one of the processes."""
    group = join(args.device, 1)
    stored = GraphArrays.from_stored(read_arrays(args.graph))
    params = with_choices(_bench.bench_params([*args.set, f"epochs={args.epochs}"]), stored.n_items)
    train, valid = stored.matrix(), stored.binary_matrix()
    held = np.random.default_rng(1).random(train.nnz) < 0.1
    train.data[held], valid.data[~held] = 0, 0
    train.eliminate_zeros()
    valid.eliminate_zeros()
    arrays = graph_arrays(train, stored.user_gender, stored.item_genres)
    train, graph = arrays.binary_matrix(), Graph(arrays, args.device, group=group)
    initial = spectral_embeddings(train, params.embedding_dim, params.seed)
    model = LightGCN(graph, initial, params.n_layers).to(graph.device)
    import_optimisers()
    with torch.no_grad():
        model()  # a GPU's libraries begin to work at their first call
    group.concat(np.zeros(1))  # waits for all
    began = time.perf_counter()
    progress = LightGCNTraining(model, train, valid, params).run()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        h_user, h_item = model()
    h_user, shape = group.rows(h_user), np.array([*train.shape, train.nnz])
    if group.leads:
        figures = {"seconds": seconds, "ndcg@20": progress.best.valid_ndcg, "shape": shape}
        write_arrays(args.arrays, **figures, h_user=h_user.numpy(), h_item=h_item.cpu().numpy())


if __name__ == "__main__":
    _bench.run(main)
