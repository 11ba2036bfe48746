"""The search space of sweep.yaml, the trials that count, the next draw, and the report's figure."""

import math

import numpy as np
import pytest
import sweep
from conftest import params_with
from imports import ROOT
from PIL import Image
from ruamel.yaml import YAML
from sweep import draw, last_number
from sweep_report import sweep_figure
from sweeping import Sweep, Trial, as_written, by_name, distribution, finished_trials, read_sweep, with_value

from movierec.utils.errors import UserError
from movierec.utils.params import check_params, param_names, read_yaml

PIPELINE, VALUES, PARAMS = read_yaml(ROOT / "dvc.yaml"), read_yaml(ROOT / "params.yaml"), params_with()
CURRENT = by_name(VALUES)
LOG = {"low": 0.001, "high": 0.1, "log": True}


@pytest.fixture
def written(tmp_path):
    """Writes a sweep.yaml and reads it."""

    def write(**changes):
        values = {"name": "s", "trials": 3, "seed": 1, "space": {"lr": LOG}} | changes
        path = tmp_path / "sweep.yaml"
        YAML().dump({key: value for key, value in values.items() if value is not None}, path)
        return read_sweep(path, PIPELINE, PARAMS)

    return write


def test_the_projects_own_sweep_is_valid_and_starts_from_the_current_params():
    sweep = read_sweep(ROOT / "sweep.yaml", PIPELINE, PARAMS)
    assert draw(sweep, [], CURRENT, 1) == {param: VALUES[param] for param in sweep.space}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nme": "x"}, "unknown key 'nme'; did you mean 'name'?"),
        ({"name": "a b"}, "name is 'a b', but it must be a name of letters"),
        ({"trials": 0}, "trials is 0, but it must be a whole number at least 1"),
        ({"trials": True}, "trials is True, but it must be a whole number"),
        ({"seed": None}, "seed is None, but it must be a whole number at least 0"),
        ({"space": {}}, "space is {}, but it must be a table of params"),
        ({"space": {"lrr": {"low": 1, "high": 2}}}, "space has 'lrr', which is no param; did you mean 'lr'?"),
        ({"space": {"next": {"low": 1, "high": 2}}}, "space has 'next', which is no param"),
        ({"space": {"min_rating": {"choices": [3, 4]}}}, "min_rating is read by split, so that trials would be"),
        ({"space": {"top_k": {"choices": [3, 4]}}}, "top_k is not read by train"),
        ({"space": {"top_k": {"choices": [3, 4]}}}, "it is of recommend"),
        ({"space": {"ease.max_items": {"choices": [3, 4]}}}, "ease.max_items is not read by train"),
        ({"space": {"lr": {"low": 0.1}}}, "space: lr must have `low` and `high`"),
        ({"space": {"lr": [1, 2]}}, "space: lr must have `low` and `high`"),
        ({"space": {"lr": {"low": 0.1, "high": 20}}}, "space: lr is 20: "),
        ({"space": {"lr": {"low": "small", "high": 1}}}, "space: lr is 'small': "),
        ({"space": {"next.lr": {"low": 0, "high": 1}}}, "space: next.lr is 0: "),
        ({"space": {"lr": {"low": 0.1, "high": 0.1}}}, "low is 0.1 and high 0.1; low must be the smaller one"),
        ({"space": {"gender_weight": {"low": 0, "high": 1, "log": True}}}, "low must be the smaller one, and above 0"),
        ({"space": {"n_layers": {"low": 0.5, "high": 2}}}, "space: n_layers is 0.5: "),
        ({"space": {"n_layers": {"choices": [1, "two"]}}}, "space: n_layers is 'two': "),
        ({"space": {"device": {"low": 1, "high": 2}}}, "space: device is no number: it must have `choices`, a list"),
    ],
)
def test_an_invalid_sweep_is_refused(written, changes, message):
    with pytest.raises(UserError, match=r"sweep\.yaml") as error:
        written(**changes)
    assert message in str(error.value)


def test_numbers_are_read_as_dvc_writes_them(tmp_path):
    (tmp_path / "sweep.yaml").write_text("name: s\ntrials: 1\nseed: 1\nspace:\n  lr:\n    low: 1e-05\n    high: 1e-2\n")
    assert read_sweep(tmp_path / "sweep.yaml", PIPELINE, PARAMS).space["lr"].low == 1e-5


def test_a_missing_or_malformed_file_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="is missing; `git checkout"):
        read_sweep(tmp_path / "sweep.yaml", PIPELINE, PARAMS)
    (tmp_path / "sweep.yaml").write_text("a: [")
    with pytest.raises(UserError, match="is not readable as YAML"):
        read_sweep(tmp_path / "sweep.yaml", PIPELINE, PARAMS)


@pytest.mark.parametrize("listed", ["next", "next.lr"])
def test_a_stage_reads_a_param_of_a_group_by_either_name(tmp_path, listed):
    (tmp_path / "sweep.yaml").write_text("name: s\ntrials: 1\nseed: 1\nspace: {next.lr: {low: 0.01, high: 0.1}}\n")
    for stages, message in (
        ({"train": {"params": [listed]}}, None),
        ({"split": {"params": [listed]}}, "read by split"),
    ):
        if message:
            with pytest.raises(UserError, match=message):
                read_sweep(tmp_path / "sweep.yaml", {"stages": stages}, PARAMS)
        else:
            assert list(read_sweep(tmp_path / "sweep.yaml", {"stages": stages}, PARAMS).space) == ["next.lr"]


def test_params_by_name():
    assert list(CURRENT) == param_names() and CURRENT["next.lr"] == VALUES["next"]["lr"]
    assert by_name(with_value(VALUES, "next.lr", 7)) == CURRENT | {"next.lr": 7}
    assert with_value(VALUES, "lr", 7) == VALUES | {"lr": 7}


def experiment(name, executor=None, ndcg=0.99, **values):
    """An experiment in the form of `dvc exp show --json`."""
    metrics = {f"metrics/{part}/ndcg@20.json": {"data": {"model": of}} for part, of in (("valid", ndcg), ("test", 0.5))}
    data = {"params": {"params.yaml": {"data": VALUES | values}}, "metrics": metrics}
    state = executor and {"state": executor}
    return {"revs": [{"rev": "0", "name": name, "data": data}], "executor": state, "name": name}


def commit(*experiments):
    return [{"rev": "workspace", "experiments": None}, {"rev": "abc", "experiments": list(experiments)}]


def test_trials_are_the_finished_experiments_of_this_commit_with_these_params(written):
    unfinished = [
        experiment("s-003", "running", lr=0.03),
        experiment("s-004", "failed", lr=0.03),
    ]  # the commit's metrics
    other = [experiment("other", lr=0.02), experiment("s-005", lr=5.0), experiment("s-006", lr=0.02, epochs=99)]
    finished = [experiment("s-002", ndcg=0.22, lr=0.02), experiment("s-001", "success", ndcg=0.21, lr=0.01)]
    trials, others = finished_trials(written(), commit(*finished, *unfinished, *other), CURRENT)
    found = [(trial.name, trial.params, trial.valid) for trial in trials]
    assert found == [("s-001", {"lr": 0.01}, 0.21), ("s-002", {"lr": 0.02}, 0.22)]
    assert others == ["s-005", "s-006"], "outside the space, and with another param"
    assert trials[0].metrics["test/ndcg@20"] == {"model": 0.5}
    assert last_number(["s-002", "s-010", "s-x"]) == 10 and last_number([]) == 0


def test_trials_of_a_param_in_a_group(written):
    sweep = written(space={"next.lr": LOG})
    found = experiment("s-001", next=VALUES["next"] | {"lr": 0.02})
    other = experiment("s-002", next=VALUES["next"] | {"lr": 0.02, "dim": 8})
    trials, others = finished_trials(sweep, commit(found, other), CURRENT)
    assert [trial.params for trial in trials] == [{"next.lr": 0.02}] and others == ["s-002"]
    assert draw(sweep, [], CURRENT, 1) == {"next.lr": VALUES["next"]["lr"]}


def quality(lr):
    return 1 - (math.log(lr) - math.log(0.02)) ** 2


def test_draws_depend_on_the_finished_trials_alone_and_approach_the_best(written):
    space = {"lr": {"low": 0.0001, "high": 1.0, "log": True}, "n_layers": {"low": 0, "high": 4}}
    sweep = written(space=space | {"device": {"choices": ["cpu", "cuda"]}})
    trials = []
    for attempt in range(1, 31):
        drawn = draw(sweep, trials, CURRENT, attempt)
        assert drawn == draw(sweep, list(trials), CURRENT, attempt), "after an interruption, the draw is the same"
        check_params(VALUES | drawn, "drawn")
        trials.append(Trial(f"s-{attempt:03d}", drawn, quality(drawn["lr"]), {}))
    early, late = (np.mean([quality(trial.params["lr"]) for trial in part]) for part in (trials[1:8], trials[-7:]))
    assert late > early
    assert draw(sweep, trials, CURRENT, 31) != draw(sweep, trials, CURRENT, 32), "after a failure, another draw"


def test_three_failures_in_a_row_end_a_sweep(written, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sweep.py"])
    outcomes = iter([False, False, True, False, False, False])

    def run(name, drawn):
        return (Trial(name, drawn, 0.2, {}), "") if next(outcomes) else (None, "train: no")

    for name, value in {
        "read_sweep": written,
        "experiments": list,
        "read_yaml": lambda path: VALUES,
        "run": run,
    }.items():
        monkeypatch.setattr(sweep, name, value)
    monkeypatch.setattr(sweep, "finished_trials", lambda *_: ([], []))
    with pytest.raises(UserError, match=r"^3 trials in a row failed; the last one's output is .*s-006.log\.$"):
        sweep.main()
    assert capsys.readouterr().out.count("train: no") == 5


def test_numbers_are_written_with_three_digits():
    assert as_written(0.0123456) == 0.0123 and as_written(3) == 3 and as_written("cpu") == "cpu"


def test_current_params_outside_the_space_are_no_first_trial(written):
    sweep = written(space={"lr": {"low": 0.1, "high": 0.2}})
    assert 0.1 <= draw(sweep, [], CURRENT, 1)["lr"] <= 0.2


@pytest.mark.parametrize("n_trials", [1, 12])
def test_the_figure_has_numbers_and_choices(tmp_path, n_trials):
    of = {"lr": LOG, "n_layers": {"low": 1, "high": 3}, "embedding_dim": {"choices": [32, 64]}}
    space = {param: distribution("sweep.yaml", param, values, PARAMS) for param, values in of.items()}
    rng, trials = np.random.default_rng(0), []
    for n in range(n_trials):
        drawn = {"lr": 10 ** -rng.uniform(1, 3), "n_layers": int(rng.integers(1, 4)), "embedding_dim": 32}
        trials.append(Trial(f"s-{n}", drawn, rng.random(), {}))
    sweep_figure(Sweep("s", n_trials, 1, space), trials, tmp_path / "sweep.png")
    pixels = np.asarray(Image.open(tmp_path / "sweep.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 50
