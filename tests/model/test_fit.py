"""Fitting: each step, the choices by validation, and the lines of progress."""

import ctypes
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from conftest import params_with
from imports import ROOT
from small_model import SMALL, fit_in_time, fit_small

from movierec.interactions.history import Profiles, recent_popularity
from movierec.model import graph
from movierec.model.checkpoints import Checkpoint
from movierec.model.fit import TREND_HALF_LIVES, Fitting, fit, sample_users, with_choices
from movierec.model.gaussian_process import Process
from movierec.model.graph import Graph
from movierec.model.mixing import MIXES, NEXT_SHARES, mix_quality, mixed_scorer, most_even
from movierec.model.nearest_neighbors import LocalProcess
from movierec.ranking.metrics import rankable_users
from movierec.ranking.topk import evaluate
from movierec.utils.errors import UserError

PAGE_FAULTS = """
import resource
from movierec.model.fit import keep_freed_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * (64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(page_faults())
keep_freed_memory()
page_faults()
print(page_faults())
"""


def test_validation_chooses_the_mix(random_interactions):
    train, valid = random_interactions(40, 30, 0.2), random_interactions(40, 30, 0.1, seed=1)
    valid = sp.csr_matrix(valid - valid.multiply(train))
    model = fit_small(train, valid).model
    quality = mix_quality(model.components(), MIXES, train, valid)
    assert model.mix == most_even(quality)


def test_the_shares_are_the_best_on_validation(checkerboard):
    train, missing = checkerboard
    profiles, lines = Profiles.without_order(train), []
    model = fit_small(train, missing, profiles, lines.append).model

    def quality(scorer):
        return evaluate(scorer, train, train, missing, [20])["ndcg@20"]

    best = quality(model.scorer(profiles))
    assert sum(model.shares) == pytest.approx(1) and lines[-1].endswith(f"validation NDCG@20 {best:.4f}")
    for share in NEXT_SHARES:
        assert quality(model._replace(shares=(1 - share, share, 0.0)).scorer(profiles)) <= best + 1e-9
    long_term = quality(mixed_scorer(model.components(profiles), model.mix))
    assert quality(model._replace(shares=(1.0, 0.0, 0.0)).scorer(profiles)) == pytest.approx(long_term)


def test_where_all_have_watched_the_same_lately_the_trend_has_a_share():
    """Histories are random, but most end with movie 7, which the validation users watch next."""
    rng, n_users, n_items = np.random.default_rng(0), 90, 30
    others = np.delete(np.arange(n_items), 7)
    lists = [[*rng.permutation(others)[:8], 7] for _ in range(60)] + [rng.permutation(others)[:9] for _ in range(30)]
    rows = [(user, item, np.float32(1)) for user, items in enumerate(lists) for item in items]
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    profiles = Profiles.from_interactions(n_users, n_items, [table], 0.0)
    train, entries = profiles.matrix, (np.arange(60, 90), np.full(30, 7))
    valid = sp.csr_matrix((np.ones(30, np.float32), entries), shape=train.shape)
    of_next = {"half_lives": [0.5], "dim": 4, "hidden": 4, "temperature": 0.5, "lr": 1e-6, "epochs": 1}
    changes = {
        "embedding_dim": 4,
        "n_layers": 1,
        "user_process": "none",
        "item_process": "none",
        "epochs": 1,
        "next": of_next,
    }
    model = fit_small(train, valid, profiles, **changes).model
    trends = [recent_popularity(profiles.histories, n_items, half_life) for half_life in TREND_HALF_LIVES]
    assert model.shares[2] > 0 and model.trend.argmax() == 7
    assert any((model.trend.numpy() == trend).all() for trend in trends)
    assert evaluate(model.scorer(profiles), train, train, valid, [20])["ndcg@20"] > 0.9


@pytest.mark.parametrize(("of_users", "of_items"), [("auto", "dense"), ("local", "none"), ("none", "local")])
def test_each_gaussian_process_is_of_the_kind_that_is_asked_for(checkerboard, of_users, of_items):
    lines = []
    model = fit_small(*checkerboard, say=lines.append, user_process=of_users, item_process=of_items).model
    kinds = {"auto": Process, "dense": Process, "local": LocalProcess, "none": type(None)}
    assert isinstance(model.users, kinds[of_users]) and isinstance(model.items, kinds[of_items])
    said = [line.split(":")[0] for line in lines if "nearest neighbours" in line]
    local = {"users": of_users, "movies": of_items}
    assert said == [f"Gaussian process over {name}" for name, kind in local.items() if kind == "local"]


@pytest.mark.parametrize(("n", "dense"), [(8192, True), (8193, False)])
def test_a_process_is_dense_where_that_is_the_cheaper_way(checkerboard, n, dense):
    lines = []
    fitting = Fitting(*checkerboard, params_with(**SMALL), None, say=lines.append)
    assert fitting._is_dense("movies", "auto", n) == dense
    if not dense:
        said = "over movies: of each one's 200 nearest neighbours (a dense one would take 0.3 GiB and 1 times the time)"
        assert lines == [f"Gaussian process {said}"]


@pytest.mark.parametrize(
    ("n_items", "temperature", "dim"), [(3706, 0.17, 64), (10_000, 0.15, 64), (10_001, 0.15, 128), (2, 1.27, 64)]
)
def test_the_temperature_and_the_embedding_size_follow_the_number_of_items(n_items, temperature, dim):
    params = with_choices(params_with(temperature="auto", embedding_dim="auto"), n_items)
    assert (params.temperature, params.embedding_dim) == (temperature, dim)
    chosen = params_with(temperature=0.3, embedding_dim=7)
    assert with_choices(chosen, n_items) == chosen


def test_each_epoch_and_each_choice_is_a_line(checkerboard):
    lines = []
    fitted = fit_small(*checkerboard, Profiles.without_order(checkerboard[0]), lines.append)
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == len(fitted.epochs) == 6
    for line, row in zip(epochs, fitted.epochs.itertuples()):
        loss, ndcg, recall = (f"{value:.4f}" for value in (row.loss, row.valid_ndcg, row.valid_recall))
        assert line == f"epoch   {row.epoch}/3  loss {loss}  validation NDCG@20 {ndcg}  Recall@20 {recall}"
    best = fitted.epochs[:3]["valid_ndcg"].max()
    assert lines[3].startswith("graph: epoch ") and f"{best:.4f}" in lines[3] and "untrained" in lines[3]
    graph, users, movies = fitted.model.mix
    assert lines[4].startswith(f"mix: graph {graph:g}, users {users:g}, movies {movies:g}; ")
    assert len(lines) == 9 and lines[8].startswith("mix: long-term preference ")


def test_the_epochs_of_both_trainings_are_one_table(checkerboard):
    epochs = fit_in_time(*checkerboard).epochs
    assert epochs.columns.tolist() == ["component", "epoch", "loss", "valid_ndcg", "valid_recall"]
    assert epochs["component"].tolist() == ["graph"] * 3 + ["next"] * 3
    assert epochs["epoch"].tolist() == [1, 2, 3] * 2


def test_all_products_and_exponentials_of_a_fit_have_fixed_bits(checkerboard, monkeypatch):
    """Torch's own, which differ between processors, are not called; see `utils.operations`."""

    def refuse(*_, **__):
        raise AssertionError("use movierec.utils.operations")

    names = ("__matmul__", "matmul", "mm", "addmm", "addmm_", "bmm", "exp", "exp_", "log", "sqrt", "logsumexp")
    for name in names:
        monkeypatch.setattr(torch.Tensor, name, refuse)
        monkeypatch.setattr(torch, name, refuse, raising=False)
    monkeypatch.setattr(torch.nn.functional, "linear", refuse)
    profiles = Profiles.without_order(checkerboard[0])
    model = fit_small(*checkerboard, profiles).model._replace(mix=(0.2, 0.4, 0.4), shares=(0.4, 0.5, 0.1))
    assert torch.isfinite(model.scorer(profiles)(np.arange(3))).all()


def test_without_an_order_in_time_there_is_no_next_movie_model(checkerboard):
    fitted = fit_small(*checkerboard)
    assert fitted.model.next is None and fitted.model.trend is None
    assert set(fitted.epochs["component"]) == {"graph"}


def test_training_with_the_sums_of_a_gpu_gives_the_same_vectors(checkerboard, graph_of, monkeypatch):
    train, missing = checkerboard
    fitting = Fitting(train, missing, params_with(**SMALL), None, say=lambda text: None)
    usual, _ = fitting.graph_model(Graph(graph_of(train)), Checkpoint())
    monkeypatch.setattr(graph, "sum_by_value", lambda rows: graph.sparse_sum(rows, "cpu"))
    as_on_a_gpu, _ = fitting.graph_model(Graph(graph_of(train)), Checkpoint())
    for name in ("h_user", "h_item"):
        torch.testing.assert_close(usual[name], as_on_a_gpu[name], atol=1e-4, rtol=1e-4)


def test_without_a_gpu_cuda_is_refused(checkerboard, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"params\.yaml: device is 'cuda'.*cpu"):
        fit_small(*checkerboard, device="cuda")


@pytest.mark.parametrize(("every", "files"), [(0, []), (2, ["graph.npz", "next.npz"])])
def test_checkpoints_are_optional_and_change_no_byte(checkerboard, graph_of, tmp_path, every, files):
    train, missing = checkerboard
    params, expected = params_with(**SMALL, checkpoint_epochs=every), fit_in_time(train, missing)
    for _ in ("from the start", "from the checkpoints"):
        arguments = {"profiles": Profiles.without_order(train), "checkpoints": tmp_path}
        fitted = fit(graph_of(train), missing, params, **arguments)
        assert sorted(path.name for path in tmp_path.iterdir()) == files
        assert torch.equal(fitted.model.h_user, expected.model.h_user) and fitted.epochs.equals(expected.epochs)
        assert torch.equal(fitted.model.next.end, expected.model.next.end)


def test_a_sample_keeps_whole_rows_of_rankable_users(random_interactions):
    history, relevant = random_interactions(50, 9, 0.3), random_interactions(50, 9, 0.2, seed=1)
    rankable = rankable_users(relevant, history)
    sample = sample_users(relevant, history, 10)
    users = np.flatnonzero(np.diff(sample.indptr))
    assert set(users) <= set(rankable) and 10 <= sample.nnz <= 25
    assert (sample[users] != relevant[users]).nnz == 0
    assert set(np.flatnonzero(np.diff(sample_users(relevant, history, 1000).indptr))) == set(rankable)


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_freed_memory_is_used_again():
    command = [sys.executable, "-c", PAGE_FAULTS]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    before, after = map(int, out.split())
    assert after < 1000 < before, "64 MB are 16,384 pages, unless the process has them already"
