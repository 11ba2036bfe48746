"""Params: their allowed values, and the errors about others."""

import re

import pytest
from conftest import params_with
from imports import ROOT

from movierec.utils.errors import UserError
from movierec.utils.params import Params, check_params, only, param_names, read_params, read_yaml

PATH = ROOT / "params.yaml"
VALUES = read_yaml(PATH)
NAMES = param_names()
GROUPS = ("columns", "ease", "knn", "next")
SCHEMA = Params.model_json_schema()
# Values that no param allows.
WRONG = (None, True, {}, {"a": 1}, float("nan"), float("-inf"), -1, "", " ", [], [None], ["x"], [[1]], [-1.0])


def with_value(name, value):
    """The values of params.yaml with another one for a key or `group.key`."""
    group, _, key = name.rpartition(".")
    return VALUES | ({group: VALUES[group] | {key: value}} if group else {key: value})


def refusal(values):
    """The message with which these values are refused."""
    with pytest.raises(UserError) as error:
        check_params(values, "p")
    return str(error.value)


def test_the_committed_file_is_valid_and_has_every_key_in_order():
    keys = [[f"{key}.{name}" for name in value] if key in GROUPS else [key] for key, value in VALUES.items()]
    assert [name for names in keys for name in names] == NAMES
    assert read_params(PATH).model_dump(exclude={"only_years"}) == {k: VALUES[k] for k in VALUES if k != "only_years"}


def test_every_param_has_a_comment():
    lines = PATH.read_text(encoding="utf-8").splitlines()
    keys = [line for line in lines if re.match(r" *\w+:", line) and line not in [f"{group}:" for group in GROUPS]]
    assert len(keys) == len(NAMES) and all("# " in line for line in keys)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("lr", "abc", "a valid number"),
        ("lr", 0, "greater than 0"),
        ("lr", 10.5, "less than or equal to 10"),
        ("lr", float("nan"), "finite"),
        ("lr", True, "a valid number"),
        ("lr", 10**400, "number"),
        ("epochs", 1.5, "integer"),
        ("epochs", 2.0, "integer"),
        ("epochs", float("inf"), "integer"),
        ("epochs", None, "integer"),
        ("epochs", 0, "greater than or equal to 1"),
        ("epochs", 10**23, "less than or equal to 100000"),
        ("knn.shrinkages", -1, "list"),
        ("next.epochs", 0, "greater than or equal to 1"),
        ("seed", 2**32, "less than or equal to 4294967295"),
        ("test_fraction", 1, "less than 1"),
        ("dataset", "ml-2m", "'ml-100k', 'ml-1m', 'ml-10m', 'ml-20m', 'ml-25m', 'ml-32m', 'ml-latest-small' or 'path'"),
        ("mask", ["train"], "'train' or 'train+valid'"),
        ("recommendations_as", "xlsx", "'parquet' or 'parquet+csv'"),
        ("cutoffs", 20, "list"),
        ("cutoffs", [], "at least 1 item"),
        ("cutoffs", [10, 10], "not repeat a value"),
        ("ease.lambdas", [1, 1.0], "not repeat a value"),
        ("data_path", "", "string"),
        ("only_years", "90s", "1994 or 1990-1999"),
        ("only_years", "1990-1980", "1994 or 1990-1999"),
        ("only_years", True, "string"),
        ("ease", None, "dictionary"),
    ],
)
def test_a_wrong_value_is_named_with_the_allowed_ones(name, value, allowed):
    message = refusal(with_value(name, value))
    assert message.startswith(f"p: {name} is {value!r}: ") and allowed in message


def schema_of(name):
    """The JSON schema of a param."""
    group, _, key = name.rpartition(".")
    return (SCHEMA["$defs"][group.title()] if group else SCHEMA)["properties"][key]


@pytest.mark.parametrize("name", NAMES)
def test_every_param_has_a_description(name):
    assert re.search(r"\w\w", schema_of(name)["description"])


def out_of_range(name):
    """Values just beyond the limits of a param, or of the items of a list."""
    allowed = schema_of(name)
    limits = allowed.get("items", allowed.get("anyOf", [allowed])[0])
    ends = [limits[end] for end in ("exclusiveMinimum", "exclusiveMaximum") if end in limits]
    ends += [limits[end] + step for end, step in (("minimum", -1), ("maximum", 1)) if end in limits]
    return [[end] for end in ends] + [[1, 1], 1] if "items" in allowed else ends


@pytest.mark.parametrize("name", NAMES)
def test_every_param_refuses_wrong_values_and_names_them(name):
    for value in (*WRONG, *out_of_range(name)):
        message = refusal(with_value(name, value))
        items = [(f"{name}.{i}", item) for i, item in enumerate(value)] if isinstance(value, list) else []
        assert any(message.startswith(f"p: {place} is {part!r}: ") for place, part in [(name, value), *items]), message


def test_every_number_has_its_limits():
    counts = {name: len(out_of_range(name)) for name in NAMES}
    texts = {name for name in NAMES if name.startswith("columns.")} | {"ties"}
    texts |= {
        "dataset",
        "data_path",
        "split_strategy",
        "device",
        "softmax",
        "user_process",
        "item_process",
        "history",
        "mask",
        "recommendations_as",
    }
    assert {name for name in NAMES if not counts[name]} == texts | {"only_genres", "not_genres", "only_years"}
    assert all(count != 1 for count in counts.values()), "a lower one and an upper one"


@pytest.mark.parametrize("name", [*NAMES, *GROUPS])
def test_a_missing_param_is_named(name):
    group, _, key = name.rpartition(".")
    fewer = {k: v for k, v in (VALUES[group] if group else VALUES).items() if k != key}
    assert refusal(VALUES | {group: fewer} if group else fewer).startswith(f"p: the key '{name}' is missing; ")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_key_is_named_with_the_closest_known_one(name):
    assert refusal(with_value(f"{name}_", 1)) == f"p: unknown key '{name}_'; did you mean '{name}'?"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (VALUES | {"temprature": 1}, "'temprature'; did you mean 'temperature'?"),
        (with_value("next.epoch", 3), "'next.epoch'; did you mean 'next.epochs'?"),
        (VALUES | {1: 2}, "'1'; known keys: dataset, data_path"),
        (VALUES | {"zzz": 1}, "'zzz'; known keys: dataset, data_path"),
        # A misspelt key is named as such, and not as the one that is missing for it.
        ({{"seed": "sed"}.get(key, key): value for key, value in VALUES.items()}, "'sed'; did you mean 'seed'?"),
    ],
)
def test_a_misspelt_key_is_named(values, named):
    assert refusal(values).startswith(f"p: unknown key {named}")


@pytest.mark.parametrize("name", [name for name in NAMES if "." in name])
def test_a_key_of_a_group_is_suggested_for_its_flat_name(name):
    flat = name.replace(".", "_")
    assert refusal(VALUES | {flat: 1}) == f"p: unknown key '{flat}'; did you mean '{name}'?"


def test_fractions_must_leave_something_to_train_on():
    message = refusal(VALUES | {"valid_fraction": 0.5, "test_fraction": 0.5})
    assert "valid_fraction 0.5 and test_fraction 0.5 leave nothing to train on" in message


@pytest.mark.parametrize(("line", "expected"), [("only_years: 1994", "1994"), ("only_years: 1990-1999", "1990-1999")])
def test_years_may_be_a_number_or_text_in_yaml(tmp_path, line, expected):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"(?m)^only_years: \S+", line, PATH.read_text(encoding="utf-8")), encoding="utf-8")
    assert read_params(path).only_years == expected


def test_a_number_as_dvc_writes_it_is_a_number(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"(?m)^lr: \S+", "lr: 1e-05", PATH.read_text(encoding="utf-8")), encoding="utf-8")
    assert read_params(path).lr == 1e-5


def test_a_param_cannot_be_assigned():
    with pytest.raises(ValueError, match="frozen"):
        params_with(lr=0.5).lr = 1.0


def test_only_the_declared_params_can_be_read():
    params = only(params_with(lr=0.5, knn={"neighbors": [7]}), ["lr", "ease", "knn.neighbors", "next.lr", "next.dim"])
    assert (params.lr, params.knn.neighbors, params.next.dim) == (0.5, [7], VALUES["next"]["dim"])
    assert params.ease == read_params(PATH).ease, "a whole group"
    for read in (lambda: params.seed, lambda: params.knn.shrinkages, lambda: params.next.epochs, lambda: params.mask):
        with pytest.raises(AttributeError):
            read()
    for group in GROUPS:
        with pytest.raises(AttributeError):
            getattr(only(params_with(), ["lr"]), group)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing; .*git checkout"),
        (b"lr: [1, 2\n", "not readable as YAML"),
        (b"lr: 1\nlr: 2\n", "not readable as YAML"),
        (b"lr: !!python/object/apply:os.getcwd []\n", "not readable as YAML"),
        (b"lr: \xff\n", "not readable as YAML"),
        (b"only_years: 2020-13-01\n", "not readable as YAML"),
        (b"lr: " + b"[" * 3000, "not readable as YAML"),
        (b"- 1\n", "lines of 'key: value'"),
        (b"", "lines of 'key: value'"),
    ],
)
def test_a_missing_or_broken_file_is_named(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}.*{message}"):
        read_params(path)


def test_a_wrong_value_is_named_with_the_file(tmp_path):
    (tmp_path / "other.yaml").write_text("lr: 1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"^other\.yaml: the key 'dataset' is missing"):
        read_params(tmp_path / "other.yaml")
