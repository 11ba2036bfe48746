"""The descriptions in params.yaml and the README, made from the code."""

import describe
import pytest

from movierec.utils.params import Params, param_names, read_yaml

VALUES = read_yaml(describe.PARAMS)


def test_params_yaml_keeps_its_values(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(describe.params_file(VALUES), encoding="utf-8")
    assert read_yaml(path) == VALUES


def test_each_param_has_its_description_as_a_comment():
    lines = describe.params_file(VALUES).splitlines()
    (line,) = [line for line in lines if line.startswith("lr:")]
    assert line.split("#")[1].strip() == f"{Params.model_fields['lr'].description} (in (0, 10])"
    assert all("#" in line for line in lines if ":" in line and not line.strip().endswith(":"))


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
    assert describe.allowed(Params.model_fields[name]) == allowed


def test_the_table_has_a_row_for_each_param_with_the_stages_that_read_it():
    stages = {"clean": {"params": ["max_rejected"]}, "train": {"params": ["lr", "next"]}}
    header, _, *rows = describe.table(VALUES, stages).splitlines()
    cells = {row.split("`")[1]: [cell.strip() for cell in row.strip("|").split("|")] for row in rows}
    assert header.startswith("| param | default |")
    assert list(cells) == param_names()
    assert cells["lr"][1] == f"`{VALUES['lr']}`"
    assert (cells["lr"][-1], cells["next.lr"][-1], cells["max_rejected"][-1]) == ("train", "train", "clean")
    assert {len(row) for row in cells.values()} == {5}


def test_content_goes_between_the_markers():
    text = f"a\n{describe.BEGIN.format('x')}old\n{describe.END.format('x')}\nb\n"
    assert describe.filled(text, "x", "new\n") == text.replace("old", "new")
    assert describe.filled(describe.filled(text, "x", "new\n"), "x", "old\n") == text
