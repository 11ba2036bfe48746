"""The time of a fit by kind of work: python benchmarks/where_time_goes.py --split DIR

Trains once on a published split (see published_split.py) under torch's profiler, which itself takes some time.
"""

import time
from collections.abc import Callable

import _bench
import dgl.ops
import torch
from published_split import read_split, without_feature_weights, without_features

import movierec.model.fit

KINDS = {
    "matrix products": ("mm", "addmm", "addmm_", "bmm"),
    "softmax and kernels (exp, sums, scaling)": (
        *("exp", "exp_", "sum", "amax", "mul", "mul_", "sub", "sub_", "div", "div_", "std_mean", "add", "add_"),
    ),
    "ranking (top-k, sort)": ("topk", "sort", "gather"),
    "optimiser": ("_fused_adam_",),
    "copying and indexing": (
        *("copy_", "index", "index_put_", "_index_put_impl_", "index_select", "fill_", "clone", "cat", "nonzero"),
    ),
}
MESSAGES, START = "messages over the graph (DGL)", "start-up (SVD)"  # which torch's profiler does not see


def main() -> None:
    args = _bench.parser(__doc__, "split", "set").parse_args()
    params = _bench.bench_params(args.set)
    params = without_feature_weights(params, params.seed)
    train, valid, _ = read_split(args.split)
    arrays = without_features(train)
    fit = movierec.model.fit.fit
    fit(arrays, valid, params.model_copy(update={"epochs": 1}))  # torch loads modules at their first use
    unseen = {MESSAGES: 0.0, START: 0.0}
    dgl.ops.copy_u_sum = timed(unseen, MESSAGES, dgl.ops.copy_u_sum)
    movierec.model.fit.spectral_embeddings = timed(unseen, START, movierec.model.fit.spectral_embeddings)
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu) as profiler, torch.profiler.record_function("fit"):
        fit(arrays, valid, params)
    events = {event.key: event for event in profiler.key_averages()}
    whole = events["fit"].cpu_time_total / 1e6
    own = {name.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for name, event in events.items()}
    seconds = {kind: sum(own.get(name, 0.0) for name in names) for kind, names in KINDS.items()} | unseen
    seconds["the rest: metrics, Python"] = whole - sum(seconds.values())
    by_cost = dict(sorted(seconds.items(), key=lambda row: -row[1]))
    _bench.write_result(args.out, {"seconds": by_cost, "whole": whole}, [params.seed])


def timed(seconds: dict[str, float], name: str, function: Callable) -> Callable:
    """The same function; its time is added to `seconds[name]`."""

    def wrapper(*args, **kwargs):
        began = time.perf_counter()
        result = function(*args, **kwargs)
        seconds[name] += time.perf_counter() - began
        return result

    return wrapper


if __name__ == "__main__":
    _bench.run(main)
