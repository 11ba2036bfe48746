"""The comments of params.yaml, and the tables and figures of the pages, filled in."""

import describe
import pytest
import tables

from movierec.utils.errors import UserError
from movierec.utils.params import Params, read_yaml

VALUES = read_yaml(tables.PARAMS)


def test_params_yaml_keeps_its_values(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(describe.params_file(VALUES), encoding="utf-8")
    assert read_yaml(path) == VALUES


def test_each_param_has_its_description_as_a_comment():
    lines = describe.params_file(VALUES).splitlines()
    (line,) = [line for line in lines if line.startswith("lr:")]
    assert line.split("#")[1].strip() == f"{Params.model_fields['lr'].description} (in (0, 10])"
    assert all("#" in line for line in lines if ":" in line and not line.strip().endswith(":"))


def test_tables_and_figures_go_between_their_markers(monkeypatch):
    monkeypatch.setitem(tables.TABLES, "x", lambda: "| a |\n|---|\n| 1 |\n")
    monkeypatch.setitem(tables.VALUES, "y", lambda: "0.5")
    before = "a\n<!-- table: x -->\nold\n<!-- end of table -->\nb <!-- value: y -->old<!-- end --> c\n"
    after = before.replace("\nold", "\n| a |\n|---|\n| 1 |").replace("old", "0.5")
    assert describe.filled(before) == after
    assert describe.filled(after) == after


@pytest.mark.parametrize(
    ("marker", "kind"),
    [("<!-- table: nothing -->\n<!-- end of table -->", "table"), ("<!-- value: nothing --><!-- end -->", "figure")],
)
def test_an_unknown_name_is_an_error(marker, kind):
    with pytest.raises(UserError, match=f"no {kind} is called nothing"):
        describe.filled(marker)
