"""The tables of the pages."""

import re

import pytest
import tables

from movierec.utils.errors import UserError
from movierec.utils.params import Params, param_names, read_yaml

VALUES = read_yaml(tables.PARAMS)
BAR = re.compile(r"(?<!\\)\|")  # between cells


def test_a_table_in_markdown():
    assert tables.markdown(("a", "b"), [(1, None), ("x", "y")]) == "| a | b |\n| --- | --- |\n| 1 |  |\n| x | y |\n"


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("epochs", "in [1, 100000]"),
        ("valid_fraction", "in (0, 1)"),
        ("min_rating", "in (0, 1000000000]"),
        ("device", "cpu, cuda"),
        ("cutoffs", "each in [1, 100]"),
        ("data_path", "text"),
    ],
)
def test_the_allowed_values_of_a_param(name, allowed):
    assert tables.allowed(Params.model_fields[name]) == allowed


def test_the_table_of_params_has_a_row_for_each_with_the_stages_that_read_it():
    stages = {"clean": {"params": ["max_rejected"]}, "train": {"params": ["lr", "next"]}}
    header, _, *rows = tables.params_table(VALUES, stages).splitlines()
    cells = {row.split("`")[1]: [cell.strip() for cell in BAR.split(row)[1:-1]] for row in rows}
    assert header.startswith("| param | default |")
    assert list(cells) == param_names()
    assert cells["lr"][1] == f"`{VALUES['lr']}`"
    assert (cells["lr"][-1], cells["next.lr"][-1], cells["max_rejected"][-1]) == ("train", "train", "clean")
    assert {len(row) for row in cells.values()} == {5}
    assert r"Drama\|Comedy" in cells["only_genres"][2], "as it is written in params.yaml"


def test_a_missing_result_says_how_to_make_it(monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tables.ROOT / "no")
    with pytest.raises(UserError, match="make results"):
        tables.bench("ablation")


def test_the_page_is_right_about_the_first_movie_after_the_cut():
    """What others watched first after a break is ahead of all that know the history alone."""
    measured = {name: of for name, of in tables.bench("one_cut_in_time").items() if "successive" in of}
    published = tables.read(tables.PUBLISHED)["one_cut_in_time"]["rows"]
    first = {name: of["first"]["ndcg@10"] for name, of in measured.items()}
    trends = [name for name in first if name.startswith("first items after a break")]
    assert set(sorted(first, key=first.__getitem__)[-2:]) == set(trends)
    at_cut = measured["model"]["at_cut"]["first"]["ndcg@10"]
    assert at_cut > max(first.values()) and first["model"] > max(row["first"]["ndcg@10"] for row in published)


def test_the_page_is_right_about_updates():
    month, busy = (tables.bench(name)["services"] for name in ("replay", "replay_busy"))
    for of in (month, busy):
        assert of["updated at once"]["ndcg"] > 3 * of["updated daily"]["ndcg"], "the history until the target"
    assert month["updated daily"]["ndcg"] < 1.05 * month["trained once"]["ndcg"] > month["trained daily"]["ndcg"]
    assert busy["updated daily"]["ndcg"] > 1.2 * busy["trained once"]["ndcg"]
    updated, trained = (
        busy[name]["of_new_users"]["ndcg"] for name in ("updated at once", "trained daily, updated at once")
    )
    assert updated > 0.98 * trained, "new users are folded in as well as trained on"
    for row in tables.bench("new_movies")["rows"]:
        assert row["ndcg@10"]["model"] > 2 * max(row["ndcg@10"]["number of first users"], row["ndcg@10"]["at random"])


@pytest.fixture
def scale(monkeypatch):
    """Two sizes: ten times the data take ten times the time in `clean`, a hundred times in `train`."""

    def size(interactions, clean, train, **ndcg):
        stages = {name: {"seconds": s, "memory_gb": gb} for name, (s, gb) in {"clean": clean, "train": train}.items()}
        counts = {"interactions": interactions, "liked": 7, "users": 60, "movies": 1500}
        return counts | {"stages": stages, "ndcg@20": ndcg}

    large = size(10_000_000, (20.0, 2.0), (1000.0, 100.0), model=0.25)
    sizes = {"10": large, "1": size(1_000_000, (2.0, 0.2), (10.0, 1.0), model=0.5, EASE=0.4)}
    monkeypatch.setattr(tables, "bench", {"scale": {"sizes": sizes}}.__getitem__)


def test_the_cost_by_data_size_sums_seconds_and_has_the_largest_memory(scale):
    rows = tables.table("scale").splitlines()
    assert rows[0] == "| stage | 1 M, s / GB | 10 M, s / GB | slope | last two |"
    assert rows[2:4] == [
        "| clean | 2.0 / 0.20 | 20.0 / 2.00 | 1.00 | 1.00 |",
        "| train | 10.0 / 1.00 | 1,000.0 / 100.00 | 2.00 | 2.00 |",
    ]
    assert rows[4].startswith("| whole pipeline | 12.0 / 1.00 | 1,020.0 / 100.00 | 1.93 |")


def test_the_quality_by_data_size_has_a_column_for_each_model(scale):
    head, _, *rows = tables.table("scale_quality").splitlines()
    assert head == "| interactions | positive | users | movies | **this model** | EASE |"
    assert rows == ["| 1,000,000 | 7 | 60 | 1,500 | 0.5000 | 0.4000 |", "| 10,000,000 | 7 | 60 | 1,500 | 0.2500 |  |"]


def test_measured_and_published_models_are_in_the_order_of_their_ndcg(monkeypatch):
    rows = [{"model": "B", "ndcg@10": 0.3, "recall@10": 0.1, "comparable": True, "note": "on a GPU", "source": "x"}]
    rows += [{"model": "C", "ndcg@10": 0.9, "recall@10": 0.9, "comparable": False, "source": "x"}]
    published = {"sources": {"x": {"venue": "KDD", "year": 2020}}, "split": {"rows": rows}}
    monkeypatch.setattr(tables, "read", lambda path: published)
    ours = {"A": {"ndcg@10": 0.25, "recall@10": 0.2, "fit_seconds": 1.25}, "D": {"ndcg@10": 0.5, "recall@10": 0.4}}
    assert tables.compared("split", ["recall@10", "ndcg@10"], ours).splitlines()[2:] == [
        "| D | 0.4000 | 0.5000 |  | measured here |",
        "| B | 0.1000 | 0.3000 |  | KDD 2020; on a GPU |",
        "| A | 0.2000 | 0.2500 | 1.2 | measured here |",
        "| C | 0.9000 | 0.9000 |  | KDD 2020; another protocol |",
    ]


def test_stages_of_which_a_hash_differs_are_named(monkeypatch):
    stages = {"a": {"one": "1" * 32, "committed": "1" * 32}, "b": {"one": "2" * 32, "committed": "3" * 32}}
    monkeypatch.setattr(tables, "bench", {"verify": {"stages": stages}}.__getitem__)
    assert tables.table("verify").splitlines()[2:] == [
        f"| a | `{'1' * 12}` | `{'1' * 12}` | same |",
        f"| b | `{'2' * 12}` | `{'3' * 12}` | differs |",
    ]


def test_figures_in_prose_are_metrics_by_name(monkeypatch):
    metrics = {"test/ndcg@20": {"EASE": 0.12345, "model": 0.5}, "test/ndcg@20_model_minus_low": {"EASE": 0.1}}
    monkeypatch.setattr(tables, "metric", metrics.__getitem__)
    assert (tables.value("test.ndcg.EASE"), tables.value("minus.EASE.low")) == ("0.1235", "0.1000")


@pytest.mark.parametrize("name", sorted(tables.TABLES))
def test_every_table_can_be_made_and_its_rows_have_the_same_cells(name):
    header, rule, *rows = tables.table(name).splitlines()
    assert rows
    assert {len(BAR.split(line)) for line in (header, rule, *rows)} == {len(BAR.split(header))}
