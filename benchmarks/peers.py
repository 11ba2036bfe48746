"""Other libraries on the same split and machine as our model: python benchmarks/peers.py --split DIR

DIR is a split as published_split.py reads it; benchmarks/peers-requirements.txt pins the libraries. Each peer is fitted
on train in a process of its own, one after another, and evaluated by movierec/ranking.

`fit_seconds` is without imports and evaluation, but for our model, where it includes validation after each epoch.
`peak_memory_mb` is of the whole process, with Python, torch and evaluation; our model's process also reads the text of
the split, and fits EASE and popularity, which therefore have no figure of their own.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import _bench

from movierec.utils.errors import UserError

# Whatever is large is imported where it is used: on Linux, the memory of a parent counts in the peak memory of the
# processes that it starts, so the one that starts the peers has to stay small.
if TYPE_CHECKING:
    import scipy.sparse as sp

    from movierec.ranking.topk import Scorer

HERE = Path(__file__).resolve().parent
OURS = {"model": "this project's model", "EASE": "EASE, this project's", "popularity": "popularity, this project's"}
GRACE = 900  # seconds for everything but fitting, after which a peer is given up


class Fitted(NamedTuple):
    """A fitted peer."""

    scorer: "Scorer"
    seconds: float  # of fitting
    settings: str


class TimeUp(Exception):
    """A library has reached the time limit in fitting."""


def main() -> None:
    parser = _bench.parser(__doc__, "split", "mask")
    parser.add_argument("--only", metavar="NAME,NAME", help=f"some of {', '.join([*OURS, *PEERS])} (default: all)")
    limit = "time limit of fitting, for each peer (default: 120)"
    parser.add_argument("--limit", type=float, default=120, metavar="SECONDS", help=limit)
    parser.add_argument("--job", help=argparse.SUPPRESS)  # of a process that this one starts
    parser.add_argument("--matrices", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.limit <= 0:
        raise UserError(f"--limit {args.limit:g}: it must be above 0.")
    if args.job == "read":
        save_matrices(args.split, args.matrices)
    elif args.job:
        args.out.write_text(json.dumps(peer_row(args.job, args.matrices, args.mask, args.limit)))
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Write the figures of our model, the baselines and the peers."""
    known = {name.lower(): name for name in (*OURS, *PEERS)}
    wanted = [name.strip() for name in args.only.split(",")] if args.only else list(known)
    for name in wanted:
        if name.lower() not in known:
            raise UserError(f"--only {name}: choose among {', '.join(known.values())}.")
    names = [known[name.lower()] for name in wanted]
    rows = our_rows(names, args.split, args.mask)
    peers = [name for name in PEERS if name in names]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--split", args.split, "--mask", args.mask, "--limit", str(args.limit), "--matrices", folder]
        command = [sys.executable, __file__, *options]
        if peers and subprocess.run([*command, "--job", "read"]).returncode:
            sys.exit(1)  # it has printed the reason
        for name in peers:
            _bench.say(f"{name}: fitting")
            figures = figures_of([*command, "--job", name], PEERS[name].environment, args.limit + GRACE)
            rows.append(row_start(name) | figures)
            went_well = "test NDCG@20 {ndcg@20:.4f} ({fit_seconds:.1f} s)"
            _bench.say(f"{name}: {figures.get('error') or went_well.format_map(figures)}")
    rows.sort(key=lambda row: -row.get("ndcg@20", -1))
    _bench.write_result(args.out, {"mask": args.mask, "limit": args.limit, "rows": rows})


def figures_of(command: list, environment: dict[str, str], timeout: float | None) -> dict[str, Any]:
    """The JSON that a process writes to its `--out`; or `error`, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        try:
            # What a library prints goes to standard error (2).
            done = subprocess.run([*command, "--out", out], stdout=2, env=os.environ | environment, timeout=timeout)
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {timeout:g} seconds"}
        if done.returncode:
            return {"error": f"its process ended with {done.returncode}; standard error has the reason"}
        return json.loads(out.read_text())


def our_rows(names: list[str], split: Path, mask: str) -> list[dict[str, Any]]:
    """The project's model, EASE and popularity, by published_split.py, which may leave EASE out."""
    wanted = [name for name in OURS if name in names]
    if not wanted:
        return []
    command = [sys.executable, HERE / "published_split.py", "--split", split, "--mask", mask]
    result = figures_of(command, {}, None)
    if "error" in result:
        return [row_start(name) | result for name in wanted]
    of_model = "{embedding_dim} factors, {n_layers} layers, temperature {temperature:g}, lr {lr:g}"
    settings = {"model": of_model.format_map(result["params"]), "popularity": ""}
    if "EASE" in result:
        settings["EASE"] = f"lambda {result['EASE']['lambda']:g}, the best on validation"
    rows = []
    for name in (name for name in wanted if name in result):
        figures, memory = result[name], result["about"]["peak_memory_mb"] if name == "model" else None
        columns = figure_columns(figures, figures["valid"], figures["fit_seconds"], memory, settings[name])
        rows.append(row_start(name) | columns)
    return rows


def peer_row(name: str, matrices: Path, mask: str, limit: float) -> dict[str, Any]:
    """Fit and evaluate one peer, in this process."""
    try:
        import scipy.sparse as sp

        from movierec.ranking.topk import evaluate

        train, valid, test = (sp.load_npz(matrices / f"{part}.npz") for part in ("train", "valid", "test"))
        fitted = PEERS[name].fit(train, valid, limit)
        scorer = known_only(fitted.scorer, train)
        on_test = evaluate(scorer, train, train if mask == "train" else train + valid, test, [20])
        on_valid = evaluate(scorer, train, train, valid, [20])
        memory = _bench.peak_memory_mb()
        return figure_columns(on_test, on_valid, fitted.seconds, memory, fitted.settings)
    except Exception as error:  # of any library; the others go on
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:200]}


def row_start(name: str) -> dict[str, str | None]:
    """A row's name, library and version (None where it is not installed)."""
    if name in OURS:
        project = tomllib.loads((_bench.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {"name": OURS[name], "library": project["name"], "version": project["version"]}
    library = PEERS[name].package
    try:
        version = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        version = None
    return {"name": PEERS[name].title, "library": library, "version": version}


def figure_columns(test: dict, valid: dict, seconds: float, memory: int | None, settings: str) -> dict[str, Any]:
    """The columns of a row without an error."""
    figures = {"ndcg@20": test["ndcg@20"], "recall@20": test["recall@20"], "valid_ndcg@20": valid["ndcg@20"]}
    rounded = {key: round(value, 6) for key, value in figures.items()}
    return {"settings": settings} | rounded | {"fit_seconds": round(seconds, 3), "peak_memory_mb": memory}


def save_matrices(split: Path, folder: Path) -> None:
    """Write the split as files that a peer loads without DGL and without the memory of reading text."""
    import scipy.sparse as sp
    from published_split import read_split

    for name, matrix in zip(("train", "valid", "test"), read_split(split), strict=True):
        sp.save_npz(folder / f"{name}.npz", matrix)


def known_only(scorer: "Scorer", train: "sp.csr_matrix") -> "Scorer":
    """The scorer with items without an interaction in train at the end.

    Some peers leave the score of such an item at 0 or at a random initial value, which may exceed those of others.
    """
    import numpy as np
    import torch

    unknown = torch.from_numpy(np.bincount(train.indices, minlength=train.shape[1]) == 0)
    return lambda users: scorer(users).masked_fill(unknown, -torch.inf)


@contextmanager
def fitting(limit: float) -> Iterator[SimpleNamespace]:
    """Time the block, and stop it at the limit; the model stays as it is by then.

    Yields:
        `seconds`, and `note` for the settings, both to be read after the block.
    """

    def ring(*_) -> None:
        raise TimeUp

    clock = SimpleNamespace(seconds=0.0, note="")
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit)
    began = time.perf_counter()
    try:
        yield clock
    except TimeUp:
        clock.note = f", stopped after {limit:g} s"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        clock.seconds = time.perf_counter() - began


def fit_als(train: "sp.csr_matrix", valid: "sp.csr_matrix", limit: float) -> Fitted:
    """implicit's alternating least squares, with the best weight of an interaction and regularisation on validation."""
    from implicit.cpu.als import AlternatingLeastSquares

    from movierec.ranking.topk import evaluate

    def fit(alpha: float, regularisation: float) -> tuple[float, Fitted]:
        options = {"factors": 256, "alpha": alpha, "regularization": regularisation, "iterations": 15}
        model = AlternatingLeastSquares(**options, random_state=1)
        with fitting(limit) as clock:
            model.fit(train, show_progress=False)
        scorer = factor_scorer(model)
        ndcg = evaluate(known_only(scorer, train), train, train, valid, [20])["ndcg@20"]
        settings = f"256 factors, alpha {alpha:g}, regularization {regularisation:g}, 15 iterations{clock.note}"
        _bench.say(f"als: {settings}: validation NDCG@20 {ndcg:.4f} ({clock.seconds:.1f} s)")
        return ndcg, Fitted(scorer, clock.seconds, settings)

    return max((fit(*of) for of in itertools.product((1.0, 5.0), (1.0, 5.0, 20.0))), key=lambda of: of[0])[1]


def fit_bpr(train: "sp.csr_matrix", valid: "sp.csr_matrix", limit: float) -> Fitted:
    """implicit's Bayesian personalised ranking, with its defaults; with several threads, runs differ."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    options = {"factors": 100, "learning_rate": 0.01, "regularization": 0.01, "iterations": 100}
    model = BayesianPersonalizedRanking(**options, random_state=1)
    with fitting(limit) as clock:
        model.fit(train, show_progress=False)
    settings = "100 factors, lr 0.01, regularization 0.01, 100 iterations"
    return Fitted(factor_scorer(model), clock.seconds, settings + clock.note)


def factor_scorer(model: Any) -> "Scorer":
    """The scorer of a fitted implicit model; a bias is one of its factors."""
    import torch

    from movierec.ranking.topk import DotScorer

    return DotScorer(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors))


def fit_vaecf(train: "sp.csr_matrix", valid: "sp.csr_matrix", limit: float) -> Fitted:
    """cornac's variational autoencoder with multinomial likelihood (Liang et al. 2018), with its defaults."""
    import torch
    from cornac.models import VAECF

    options = {"k": 10, "autoencoder_structure": [20], "likelihood": "mult", "beta": 1.0}
    model = VAECF(**options, n_epochs=100, batch_size=100, learning_rate=0.001, seed=1)
    with fitting(limit) as clock:
        model.fit(cornac_data(train))

    def score(users):
        with torch.no_grad():
            return model.vae.decode(model.vae.encode(torch.from_numpy(train[users].toarray()))[0])

    settings = "10 factors, hidden layer of 20, lr 0.001, batches of 100, 100 epochs"
    return Fitted(score, clock.seconds, settings + clock.note)


def fit_cornac_bpr(train: "sp.csr_matrix", valid: "sp.csr_matrix", limit: float) -> Fitted:
    """cornac's Bayesian personalised ranking, with the settings of its README; a seed means one thread."""
    import torch
    from cornac.models import BPR

    from movierec.ranking.topk import DotScorer

    model = BPR(k=10, max_iter=200, learning_rate=0.001, lambda_reg=0.01, seed=123)
    with fitting(limit) as clock:
        model.fit(cornac_data(train))
    users, items = (torch.from_numpy(of).float() for of in (model.get_user_vectors(), model.get_item_vectors()))
    settings = "10 factors, lr 0.001, regularization 0.01, 200 iterations"
    return Fitted(DotScorer(users, items), clock.seconds, settings + clock.note)


def cornac_data(train: "sp.csr_matrix") -> Any:
    """Train as cornac's Dataset, with our indices of users and items."""
    import numpy as np
    from cornac.data import Dataset

    n_users, n_items = train.shape
    rows, cols = train.nonzero()
    triplets = (rows, cols, np.ones(len(rows), np.float32))
    user_ids, item_ids = ({index: index for index in range(n)} for n in train.shape)
    return Dataset(n_users, n_items, user_ids, item_ids, triplets, seed=1)


def fit_lightgcn(train: "sp.csr_matrix", valid: "sp.csr_matrix", limit: float) -> Fitted:
    """PyG's LightGCN, trained as in its examples/lightgcn.py, with the weights that are best on validation.

    The example passes the edges as an index and normalises them at each step. Here the graph is a sparse matrix,
    normalised once: PyG then computes the same in half the time.
    """
    import numpy as np
    import torch
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.nn.models import LightGCN
    from torch_geometric.utils import to_torch_csr_tensor

    from movierec.ranking.topk import DotScorer, evaluate

    warnings.filterwarnings("ignore", message="Sparse")  # torch's sparse matrices are in beta
    torch.manual_seed(1)
    batch_size, max_epochs, n_checks = 8192, 100, 10
    seconds, steps, best, kept = 0.0, 0, (-1.0, 0), None
    began = time.perf_counter()
    n_users, n_items = train.shape
    n_nodes = n_users + n_items
    rows, cols = (torch.from_numpy(index.astype(np.int64)) for index in train.nonzero())
    edges = torch.stack([rows, cols + n_users])  # items are numbered after users
    both_ways, weights = gcn_norm(torch.cat([edges, edges.flip(0)], dim=1), None, n_nodes, add_self_loops=False)
    graph = to_torch_csr_tensor(both_ways, weights, size=(n_nodes, n_nodes))
    model = LightGCN(n_nodes, embedding_dim=64, num_layers=2, normalize=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    epoch_steps = -(-edges.shape[1] // batch_size)

    def learn(batch: torch.Tensor) -> None:
        positive = edges[:, batch]
        negative = torch.stack([positive[0], torch.randint(n_users, n_nodes, (len(batch),))])
        pairs = torch.cat([positive, negative], dim=1)
        optimizer.zero_grad()
        scores = model(graph, pairs).chunk(2)
        model.recommendation_loss(*scores, node_id=pairs.unique(), lambda_reg=1e-4).backward()
        optimizer.step()

    # On a CPU, an epoch may take longer than the limit, so validation is at intervals of time.
    next_check = limit / n_checks
    while seconds < limit and steps < max_epochs * epoch_steps:
        if steps % epoch_steps == 0:
            batches = torch.randperm(edges.shape[1]).split(batch_size)
        learn(batches[steps % epoch_steps])
        steps += 1
        now = seconds + time.perf_counter() - began
        if now < next_check and now < limit and steps < max_epochs * epoch_steps:
            continue
        seconds, next_check = now, now + limit / n_checks
        with torch.no_grad():
            users, items = model.get_embedding(graph).split([n_users, n_items])
        ndcg = evaluate(known_only(DotScorer(users, items), train), train, train, valid, [20])["ndcg@20"]
        _bench.say(f"lightgcn, epoch {steps / epoch_steps:.2f}: validation NDCG@20 {ndcg:.4f} ({seconds:.1f} s)")
        if ndcg > best[0]:
            best, kept = (ndcg, steps), (users, items)
        began = time.perf_counter()
    note = f", stopped after {limit:g} s" if steps < max_epochs * epoch_steps else ""
    settings = "64 factors, 2 layers, lr 0.001, L2 0.0001, batches of 8192, {:.1f} epochs (best: {:.1f})"
    return Fitted(DotScorer(*kept), seconds, settings.format(steps / epoch_steps, best[1] / epoch_steps) + note)


@dataclass(frozen=True)
class Peer:
    """A model of another library."""

    title: str
    package: str
    fit: Callable[["sp.csr_matrix", "sp.csr_matrix", float], Fitted]
    environment: dict[str, str] = field(default_factory=dict)  # variables for its process


PEERS = {
    # implicit has its own threads; OpenBLAS' threads within each slow it down many times, as it warns.
    "als": Peer("ALS", "implicit", fit_als, {"OPENBLAS_NUM_THREADS": "1"}),
    "bpr": Peer("BPR", "implicit", fit_bpr, {"OPENBLAS_NUM_THREADS": "1"}),
    "vaecf": Peer("VAECF", "cornac", fit_vaecf),
    "cornac-bpr": Peer("BPR", "cornac", fit_cornac_bpr),
    "lightgcn": Peer("LightGCN", "torch-geometric", fit_lightgcn),
}


if __name__ == "__main__":
    _bench.run(main)
