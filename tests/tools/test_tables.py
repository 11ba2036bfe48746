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


def test_a_missing_result_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "RESULTS", tables.ROOT / "no")
    with pytest.raises(UserError, match="make results"):
        tables.bench("ablation")


@pytest.mark.parametrize("name", sorted(tables.TABLES))
def test_every_table_can_be_made_and_its_rows_have_the_same_cells(name):
    header, rule, *rows = tables.table(name).splitlines()
    assert rows
    assert {len(BAR.split(line)) for line in (header, rule, *rows)} == {len(BAR.split(header))}
