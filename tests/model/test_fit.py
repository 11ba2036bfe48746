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

from movierec.interactions.gaps import DAY, is_away
from movierec.interactions.matrix import to_csr
from movierec.interactions.profiles import Profiles
from movierec.model import graph
from movierec.model.checkpoints import Checkpoint
from movierec.model.fit import Fitting, fit, sample_users, with_choices
from movierec.model.gaussian_process import Process
from movierec.model.graph import Graph
from movierec.model.mixing import MIXES, NEXT_SHARES, mix_quality, mixed_scorer, most_even
from movierec.model.nearest_neighbors import LocalProcess
from movierec.ranking.metrics import keep_rows, rankable_users
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

    best, shares = quality(model.scorer(profiles)), model.shares[0]
    assert sum(shares) == pytest.approx(1) and lines[-1].endswith(f"validation NDCG@20 {best:.4f}")
    assert model.shares[1] == shares, "no one comes back after a break"
    for share in NEXT_SHARES:
        assert quality(model._replace(shares=((1 - share, share, 0.0), shares)).scorer(profiles)) <= best + 1e-9
    long_term = quality(mixed_scorer(model.components(profiles), model.mix))
    assert quality(model._replace(shares=((1.0, 0.0, 0.0), shares)).scorer(profiles)) == pytest.approx(long_term)


N_USERS, N_ITEMS = 240, 30


@pytest.fixture
def who_come_back():
    """Histories are random, but whoever comes back after a day watches movie 7: some in train, some in validation.

    The profiles before validation and after it.
    """
    rng, rows = np.random.default_rng(0), []
    for user in range(N_USERS):
        items = rng.permutation(np.delete(np.arange(N_ITEMS), 7))[:8].tolist()
        comes_back = user % 4
        if comes_back == 0:  # in train
            items[4] = 7
        gaps = [DAY if comes_back == 0 and place == 4 else 20 for place in range(8)]
        if comes_back == 1:  # in validation
            items[7], gaps[7] = 7, DAY
        rows += [(user, item, time) for item, time in zip(items, user * 9 * DAY + np.cumsum(gaps), strict=True)]
    table = pd.DataFrame(rows, columns=["user", "item", "timestamp"]).assign(rating=np.float32(1))
    is_valid = table.groupby("user").cumcount() == 7
    parts = [table[~is_valid], table[is_valid]]
    before, after = (Profiles.from_interactions(N_USERS, N_ITEMS, parts[:n], 0.0) for n in (1, 2))
    return before, after, to_csr(parts[1], N_USERS, N_ITEMS)


SLOW = {"half_lives": [0.5], "dim": 4, "hidden": 4, "temperature": 0.5, "lr": 1e-6, "epochs": 1}
GRAPH_ALONE = {
    "embedding_dim": 4,
    "n_layers": 1,
    "user_process": "none",
    "item_process": "none",
    "epochs": 1,
    "lr": 1e-12,
}


def test_those_who_come_back_have_shares_of_their_own(who_come_back, monkeypatch):
    """The trend is of what others watched first after a break, and counts after a break alone."""
    monkeypatch.setattr("movierec.model.fit.FEWEST_USERS", 30)
    (before, after, valid), lines = who_come_back, []
    options = {"later": after, "say": lines.append, **GRAPH_ALONE, "next": SLOW}
    model = fit_small(before.matrix, valid, before, **options).model
    assert model.shares[1][2] > 0.3 and model.shares[0] != model.shares[1]
    assert [line.split(":")[0] for line in lines[-2:]] == ["mix after a break", "mix within a session"]
    assert model.trend.popularity[-1].argmax() == 7 and (model.trend.popularity[-1].sort().values[:-1] == 0).all()
    asking = before._replace(histories=before.histories.asked_at_next(after.histories))
    away = keep_rows(valid, np.flatnonzero(is_away(asking.histories)))
    assert away.nnz == N_USERS / 4
    assert evaluate(model.scorer(asking), before.matrix, before.matrix, away, [20])["ndcg@20"] > 0.9


def test_with_few_who_come_back_all_share_alike(who_come_back):
    before, after, valid = who_come_back
    model = fit_small(before.matrix, valid, before, later=after, **GRAPH_ALONE, next=SLOW).model
    assert model.shares[0] == model.shares[1]


def test_all_may_be_asked_after_a_break(who_come_back):
    before, _, valid = who_come_back
    at_end, lines = before._replace(histories=before.histories.asked_at(10**9)), []
    model = fit_small(before.matrix, valid, at_end, say=lines.append, **GRAPH_ALONE, next=SLOW).model
    assert model.shares[0] == model.shares[1] and lines[-1].startswith("mix after a break: ")


@pytest.mark.parametrize(("of_users", "of_items"), [("auto", "dense"), ("local", "none"), ("none", "local")])
def test_each_gaussian_process_is_of_the_kind_that_is_asked_for(checkerboard, of_users, of_items):
    lines = []
    model = fit_small(*checkerboard, say=lines.append, user_process=of_users, item_process=of_items).model
    kinds = {"auto": Process, "dense": Process, "local": LocalProcess, "none": type(None)}
    assert isinstance(model.users, kinds[of_users]) and isinstance(model.items, kinds[of_items])
    said = [line.split(" nearest")[0] for line in lines if line.startswith("Gaussian process")]
    how = {"auto": "dense", "dense": "dense", "local": "of each one's 200"}
    asked = {"40 users": of_users, "20 movies": of_items}
    assert said == [f"Gaussian process over {of}: {how[kind]}" for of, kind in asked.items() if kind != "none"]


@pytest.mark.parametrize(("n", "dense"), [(8192, True), (8193, False)])
def test_a_process_is_dense_where_that_is_the_cheaper_way(checkerboard, n, dense):
    lines = []
    fitting = Fitting(*checkerboard, params_with(**SMALL), None, say=lines.append)
    assert fitting._is_dense("movies", "auto", n) == dense
    said = "of each one's 200 nearest neighbours (a dense one would take 0.3 GiB and 1 times the time)"
    assert lines == [f"Gaussian process over {n:,} movies: {'dense' if dense else said}"]


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
    assert lines[4:6] == ["Gaussian process over 40 users: dense", "Gaussian process over 20 movies: dense"]
    assert lines[6].startswith(f"mix: graph {graph:g}, users {users:g}, movies {movies:g}; ")
    assert len(lines) == 11 and lines[10].startswith("mix within a session: long-term preference ")


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
    model = fit_small(*checkerboard, profiles).model._replace(mix=(0.2, 0.4, 0.4), shares=((0.4, 0.5, 0.1),) * 2)
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
