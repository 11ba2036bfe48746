"""The search space of sweep.yaml, what counts as a trial, what is drawn next, and the report's figure."""

import math
import sys

import numpy as np
import pytest
from imports import ROOT
from PIL import Image
from ruamel.yaml import YAML

sys.path.insert(0, str(ROOT / "tools"))
from sweep import draw, last_number  # noqa: E402
from sweep_report import sweep_figure  # noqa: E402
from sweeping import Sweep, Trial, as_written, distribution, finished_trials, read_sweep  # noqa: E402

from movierec.errors import UserError  # noqa: E402
from movierec.params import SCHEMA  # noqa: E402

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture
def written(tmp_path):
    """Writes a sweep.yaml and reads it."""

    def write(**changes):
        values = {"name": "s", "trials": 3, "seed": 1, "space": {"lr": {"low": 0.001, "high": 0.1, "log": True}}} | changes
        path = tmp_path / "sweep.yaml"
        YAML().dump({key: value for key, value in values.items() if value is not None}, path)
        return read_sweep(path, PIPELINE)

    return write


def test_the_projects_own_sweep_is_valid_and_starts_from_the_params_as_they_stand():
    sweep = read_sweep(ROOT / "sweep.yaml", PIPELINE)
    assert draw(sweep, [], PARAMS, 1) == {param: PARAMS[param] for param in sweep.space}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nme": "x"}, "unknown key 'nme'; did you mean 'name'?"),
        ({"name": "a b"}, "name is 'a b', but it must be a name of letters"),
        ({"trials": 0}, "trials is 0, but it must be a whole number at least 1"),
        ({"seed": None}, "seed is None, but it must be a whole number at least 0"),
        ({"space": {}}, "space is {}, but it must be a table of params"),
        ({"space": {"lrr": {"low": 1, "high": 2}}}, "space has 'lrr', which is no param; did you mean 'lr'?"),
        ({"space": {"min_rating": {"choices": [3, 4]}}}, "min_rating is read by split, so that trials would be validated on different data"),
        ({"space": {"top_k": {"choices": [3, 4]}}}, "top_k is not read by train, so that all trials would be the same; it is of recommend"),
        ({"space": {"lr": {"low": 0.1}}}, "space: lr must have `low` and `high`"),
        ({"space": {"lr": [1, 2]}}, "space: lr must have `low` and `high`"),
        ({"space": {"lr": {"low": 0.1, "high": 20}}}, "each value must be a number above 0 and at most 10"),
        ({"space": {"lr": {"low": 0.1, "high": 0.1}}}, "low is 0.1 and high 0.1; low must be the smaller one"),
        ({"space": {"gender_weight": {"low": 0, "high": 1, "log": True}}}, "low must be the smaller one, and above 0"),
        ({"space": {"n_layers": {"low": 0.5, "high": 2}}}, "each value must be a whole number at least 0"),
        ({"space": {"n_layers": {"choices": [1, "two"]}}}, "each value must be a whole number at least 0"),
        ({"space": {"device": {"low": 1, "high": 2}}}, "space: device is no number: it must have `choices`, a list"),
    ],
)
def test_a_wrong_sweep_says_what_is_wrong(written, changes, message):
    with pytest.raises(UserError, match="sweep.yaml") as error:
        written(**changes)
    assert message in str(error.value)


def test_numbers_are_read_as_dvc_writes_them(tmp_path):
    (tmp_path / "sweep.yaml").write_text("name: s\ntrials: 1\nseed: 1\nspace:\n  lr:\n    low: 1e-05\n    high: 1e-2\n")
    assert read_sweep(tmp_path / "sweep.yaml", PIPELINE).space["lr"].low == 1e-5


def test_a_missing_or_broken_file_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="is missing; `git checkout"):
        read_sweep(tmp_path / "sweep.yaml", PIPELINE)
    (tmp_path / "sweep.yaml").write_text("a: [")
    with pytest.raises(UserError, match="is not readable as YAML"):
        read_sweep(tmp_path / "sweep.yaml", PIPELINE)


def experiment(name, lr, ndcg, executor=None, **params):
    """As `dvc exp show --json` has it."""
    metrics = {"metrics/valid/ndcg@20.json": {"data": {"model": ndcg}}, "metrics/test/ndcg@20.json": {"data": {"model": 0.5}}}
    data = {"params": {"params.yaml": {"data": PARAMS | {"lr": lr} | params}}, "metrics": metrics}
    return {"revs": [{"rev": "0", "name": name, "data": data}], "executor": executor and {"state": executor}, "name": name}


def test_trials_are_the_finished_experiments_of_this_commit_with_these_params(written):
    states = [
        {"rev": "workspace", "experiments": None},
        {"rev": "abc", "experiments": [
            experiment("s-002", 0.02, 0.22), experiment("s-001", 0.01, 0.21, "success"),
            experiment("s-003", 0.03, 0.99, "running"), experiment("s-004", 0.03, 0.99, "failed"),  # with the commit's metrics
            experiment("other", 0.02, 0.99), experiment("s-005", 5.0, 0.99), experiment("s-006", 0.02, 0.99, epochs=99),
        ]},
    ]  # fmt: skip
    trials, others = finished_trials(written(), states, PARAMS)
    assert [(trial.name, trial.params, trial.valid) for trial in trials] == [("s-001", {"lr": 0.01}, 0.21), ("s-002", {"lr": 0.02}, 0.22)]
    assert others == ["s-005", "s-006"], "outside the space, and with another param"
    assert trials[0].metrics["test/ndcg@20"] == {"model": 0.5}
    assert last_number(["s-002", "s-010", "s-x"]) == 10 and last_number([]) == 0


def quality(lr):
    return 1 - (math.log(lr) - math.log(0.02)) ** 2


def test_what_is_drawn_depends_on_the_finished_trials_alone_and_closes_in_on_the_best(written):
    sweep = written(space={"lr": {"low": 0.0001, "high": 1.0, "log": True}, "n_layers": {"low": 0, "high": 4}, "device": {"choices": ["cpu", "cuda"]}})
    trials = []
    for attempt in range(1, 31):
        drawn = draw(sweep, trials, PARAMS, attempt)
        assert drawn == draw(sweep, list(trials), PARAMS, attempt), "stopped and gone on with, it draws the same"
        for param, value in drawn.items():
            SCHEMA[param].check(value)
        trials.append(Trial(f"s-{attempt:03d}", drawn, quality(drawn["lr"]), {}))
    early, late = (np.mean([quality(trial.params["lr"]) for trial in part]) for part in (trials[1:8], trials[-7:]))
    assert late > early
    assert draw(sweep, trials, PARAMS, 31) != draw(sweep, trials, PARAMS, 32), "after a failure, something else"


def test_numbers_are_written_to_three_digits():
    assert as_written(0.0123456) == 0.0123 and as_written(3) == 3 and as_written("cpu") == "cpu"


def test_params_outside_the_space_are_no_first_trial(written):
    sweep = written(space={"lr": {"low": 0.1, "high": 0.2}})
    assert 0.1 <= draw(sweep, [], PARAMS, 1)["lr"] <= 0.2


@pytest.mark.parametrize("n_trials", [1, 12])
def test_the_figure_is_drawn_for_numbers_and_choices(tmp_path, n_trials):
    space = {
        "lr": distribution("lr", {"low": 0.001, "high": 0.1, "log": True}, SCHEMA["lr"]),
        "n_layers": distribution("n_layers", {"low": 1, "high": 3}, SCHEMA["n_layers"]),
        "embedding_dim": distribution("embedding_dim", {"choices": [32, 64]}, SCHEMA["embedding_dim"]),
    }
    rng = np.random.default_rng(0)
    trials = [Trial(f"s-{n}", {"lr": 10 ** -rng.uniform(1, 3), "n_layers": int(rng.integers(1, 4)), "embedding_dim": 32}, rng.random(), {}) for n in range(n_trials)]
    sweep_figure(Sweep("s", n_trials, 1, space), trials, tmp_path / "sweep.png")
    pixels = np.asarray(Image.open(tmp_path / "sweep.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 50
