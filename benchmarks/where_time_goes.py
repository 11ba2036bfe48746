"""Where the time of a fit goes: python benchmarks/where_time_goes.py --split DIR

Trains once on a published split (see published_split.py) under torch's profiler, and prints a Markdown
table of seconds by kind of work. The profiler itself costs some time.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import _bench
import numpy as np
import torch
from published_split import read_split

import movierec.graph
import movierec.model
from movierec.edges import graph_arrays
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.model import train_model
from movierec.training import Settings

KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm"),
    "softmax and kernels (exp, sums, scaling)": ("aten::exp", "aten::exp_", "aten::sum", "aten::amax", "aten::mul", "aten::mul_", "aten::sub",
                                                 "aten::sub_", "aten::div", "aten::div_", "aten::std_mean", "aten::add", "aten::add_"),
    "ranking (top-k, sort)": ("aten::topk", "aten::sort", "aten::gather"),
    "optimiser": ("aten::_fused_adam_",),
    "copying and indexing": ("aten::copy_", "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::index_select", "aten::fill_",
                             "aten::clone", "aten::cat", "aten::nonzero"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    params = _bench.bench_params([])
    train, valid, _ = read_split(args.split)
    graph = Graph(graph_arrays(train, np.zeros((train.shape[0], 0), np.int8), np.zeros((train.shape[1], 0), np.int8)))
    settings = Settings(**{name: params[name] for name in Settings._fields})
    sizes = (params["embedding_dim"], params["n_layers"], params["kernel_max_nodes"])
    train_model(graph, train, valid, *sizes, 0.0, 0.0, settings._replace(epochs=1))  # what torch loads at first use
    # What torch's profiler does not see.
    unseen = {"messages over the graph (DGL)": 0.0, "start-up (SVD)": 0.0}
    movierec.graph.dgl.ops.copy_u_sum = timed(unseen, "messages over the graph (DGL)", movierec.graph.dgl.ops.copy_u_sum)
    movierec.model.spectral_start = timed(unseen, "start-up (SVD)", movierec.model.spectral_start)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler, torch.profiler.record_function("whole fit"):
        train_model(graph, train, valid, *sizes, 0.0, 0.0, settings)
    events = {event.key: event for event in profiler.key_averages()}
    whole = events["whole fit"].cpu_time_total / 1e6
    seconds = {kind: sum(events[name].self_cpu_time_total for name in names if name in events) / 1e6 for kind, names in KINDS.items()}
    seconds |= unseen
    seconds["the rest: metrics, Python"] = whole - sum(seconds.values())
    print("| kind of work | seconds | share |\n|---|---|---|")
    for kind, value in sorted(seconds.items(), key=lambda row: -row[1]):
        print(f"| {kind} | {value:.1f} | {value / whole:.0%} |")
    print(f"| all | {whole:.1f} | 100% |")


def timed(seconds: dict[str, float], name: str, function: Callable) -> Callable:
    """The same function; its seconds are added up under a name."""

    def wrapper(*args, **kwargs):
        began = time.perf_counter()
        result = function(*args, **kwargs)
        seconds[name] += time.perf_counter() - began
        return result

    return wrapper


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"where_time_goes: {error}")
