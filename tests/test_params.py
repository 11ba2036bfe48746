"""Params: what is allowed, and what is said of what is not."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from movierec.errors import UserError
from movierec.params import SCHEMA, ListOf, Number, check_params, read_params

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def defaults():
    return YAML(typ="safe").load(ROOT / "params.yaml")


def test_the_committed_file_is_valid_and_holds_every_key(defaults):
    assert list(check_params(defaults, "params.yaml")) == list(SCHEMA)


def test_every_param_has_a_comment_with_its_meaning():
    for line in (ROOT / "params.yaml").read_text().splitlines():
        if line and line[0].isalpha():
            assert "#" in line, line


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lr", "abc", "p: lr is 'abc', but it must be a number above 0 and at most 10."),
        ("lr", 0, "p: lr is 0, but it must be a number above 0 and at most 10."),
        ("lr", float("nan"), "p: lr is nan, but it must be a number above 0 and at most 10."),
        ("lr", True, "p: lr is True, but it must be a number above 0 and at most 10."),
        ("epochs", 1.5, "p: epochs is 1.5, but it must be a whole number at least 1."),
        ("epochs", float("inf"), "p: epochs is inf, but it must be a whole number at least 1."),
        ("epochs", None, "p: epochs is None, but it must be a whole number at least 1."),
        ("knn_shrinkage", float("inf"), "p: knn_shrinkage is inf, but it must be a number at least 0."),
        ("seed", 2**32, "p: seed is 4294967296, but it must be a whole number at least 0 and at most 4294967295."),
        ("test_fraction", 1, "p: test_fraction is 1, but it must be a number above 0 and below 1."),
        ("dataset", "ml-2m", "p: dataset is 'ml-2m', but it must be one of ml-100k, ml-1m, "
         "ml-10m, ml-20m, ml-25m, ml-32m, ml-latest-small, path."),
        ("mask", ["train"], "p: mask is ['train'], but it must be one of train, train+valid."),
        ("cutoffs", 20, "p: cutoffs is 20, but it must be a list of different values, "
         "each a whole number at least 1 and at most 100."),
        ("cutoffs", [], "p: cutoffs is [], but it must be a list of different values, "
         "each a whole number at least 1 and at most 100."),
        ("cutoffs", [10, 10], "p: cutoffs is [10, 10], but it must be a list of different values, "
         "each a whole number at least 1 and at most 100."),
        ("data_path", "", "p: data_path is '', but it must be text."),
        ("only_years", "90s", "p: only_years is '90s', but it must be any, a year (1994), or a first and a last one (1990-1999)."),
        ("only_years", True, "p: only_years is True, but it must be any, a year (1994), or a first and a last one (1990-1999)."),
        ("recommendations_as", "xlsx", "p: recommendations_as is 'xlsx', but it must be one of parquet, parquet+csv."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_allowed(defaults, key, value, message):
    with pytest.raises(UserError) as error:
        check_params(defaults | {key: value}, "p")
    assert str(error.value) == message


OF_ANOTHER_TYPE = (None, True, {}, {"a": 1}, float("nan"), float("-inf"), -1, "", " ", [], [None], ["x"], [[1]], [-1.0])


@pytest.mark.parametrize("key", SCHEMA)
def test_every_key_refuses_what_is_of_another_type_or_out_of_range_and_says_what_is_allowed(defaults, key):
    kind = SCHEMA[key]
    ends = [kind.low - 1, kind.high + 1 if kind.high < float("inf") else "1"] if isinstance(kind, Number) else []
    ends += [[kind.each.low - 1], [1, 1]] if isinstance(kind, ListOf) else []
    for value in (*OF_ANOTHER_TYPE, *ends):
        with pytest.raises(UserError) as error:
            check_params(defaults | {key: value}, "params.yaml")
        assert str(error.value) == f"params.yaml: {key} is {value!r}, but it must be {kind}."


@pytest.mark.parametrize("key", SCHEMA)
def test_every_key_is_missed_and_known_by_a_near_name(defaults, key):
    with pytest.raises(UserError, match=f"^params.yaml: the key '{key}' is missing; it must be "):
        check_params({name: value for name, value in defaults.items() if name != key}, "params.yaml")
    with pytest.raises(UserError, match=f"^params.yaml: unknown key '{key}_'; did you mean '{key}'"):
        check_params(defaults | {f"{key}_": 1}, "params.yaml")


def test_fractions_must_leave_something_to_train_on(defaults):
    with pytest.raises(UserError, match="leave nothing to train on"):
        check_params(defaults | {"valid_fraction": 0.5, "test_fraction": 0.5}, "p")


def test_an_unknown_key_is_met_with_the_nearest_known_one(defaults):
    with pytest.raises(UserError, match="unknown key 'temprature'; did you mean 'temperature'?"):
        check_params(defaults | {"temprature": 1}, "p")


def test_a_missing_key_is_named(defaults):
    del defaults["lr"]
    with pytest.raises(UserError, match="the key 'lr' is missing"):
        check_params(defaults, "p")


def test_a_number_in_the_form_that_dvc_writes_is_a_number(tmp_path):
    text = re.sub(r"(?m)^lr: \S+", "lr: 1e-05", (ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(text)
    assert read_params(tmp_path / "params.yaml", ("lr",)).lr == 1e-5


def test_only_the_keys_asked_for_are_handed_out():
    values = read_params(ROOT / "params.yaml", ("lr", "seed"))
    assert set(vars(values)) == {"lr", "seed"}
    with pytest.raises(AttributeError):
        _ = values.epochs


def test_a_missing_or_broken_file_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(UserError, match="is missing"):
        read_params(path, ())
    path.write_text("lr: [1, 2\n")
    with pytest.raises(UserError, match="not readable as YAML"):
        read_params(path, ())
    path.write_text("- 1\n")
    with pytest.raises(UserError, match="lines of 'key: value'"):
        read_params(path, ())
