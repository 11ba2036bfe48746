"""A sweep: the search space of sweep.yaml, and its trials, which are DVC experiments and stored nowhere else.

Anyone who has the experiments (`dvc exp show`) can continue the sweep and draw its report.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from movierec.utils.errors import UserError, did_you_mean
from movierec.utils.params import Params, check_params, param_names, read_params, read_yaml

SWEEP, PARAMS, PIPELINE = Path("sweep.yaml"), Path("params.yaml"), Path("dvc.yaml")
MODEL, DECIDES = "model", "ndcg@20"  # validation NDCG@20 of the model
BEFORE_TRAINING = ("download", "clean", "split")  # stages whose params change the validation set
ALLOWED = {
    "name": "a name of letters, digits, - and _",
    "trials": "a whole number at least 1",
    "seed": "a whole number at least 0",
    "space": "a table of params",
}


class Sweep(NamedTuple):
    """The content of sweep.yaml."""

    name: str
    trials: int
    seed: int
    space: dict[str, BaseDistribution]  # by param; `group.key` for one of a group


class Trial(NamedTuple):
    """A finished trial."""

    name: str  # of the experiment
    params: dict[str, Any]  # those of the space
    valid: float  # validation NDCG@20
    metrics: dict[str, dict[str, float]]  # such as 'valid/ndcg@20', by model; empty right after a run


def read_sweep(path: Path = SWEEP, pipeline: dict | None = None, params: Params | None = None) -> Sweep:
    """sweep.yaml, checked.

    Args:
        path: the file.
        pipeline: the content of dvc.yaml, for the stages that read each param; None: that of this folder.
        params: those of params.yaml, beside which the values of the space must be valid; None: those of this folder.

    Raises:
        UserError: names the key, its value, and what is allowed.
    """
    params = params or read_params(PARAMS)
    values, stages = read_yaml(path), (pipeline or read_yaml(PIPELINE))["stages"]
    for key in values:
        if key not in ALLOWED:
            hint = did_you_mean(key, ALLOWED, f"known: {', '.join(ALLOWED)}.")
            raise UserError(f"{path}: unknown key '{key}'; {hint}")
    name, trials, seed, space = (values.get(key) for key in ALLOWED)
    valid = {
        "name": isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum(),
        "trials": type(trials) is int and trials >= 1,
        "seed": type(seed) is int and seed >= 0,
        "space": isinstance(space, dict) and space,
    }
    for key, is_valid in valid.items():
        if not is_valid:
            raise UserError(f"{path}: {key} is {values.get(key)!r}, but it must be {ALLOWED[key]}.")
    for param in space:
        check_readers(path, param, stages)
    distributions = {param: distribution(f"{path}: space", param, of, params) for param, of in space.items()}
    return Sweep(name, trials, seed, distributions)


def check_readers(path: Path, param: str, stages: dict[str, dict]) -> None:
    """Raise a UserError unless `param` is one that `train` reads, and no stage before it."""
    if param not in param_names():
        hint = did_you_mean(param, param_names(), f"known: {', '.join(param_names())}.")
        raise UserError(f"{path}: space has '{param}', which is no param; {hint}")
    names = {param, param.split(".")[0]}  # a stage lists the group, or the one param of it
    # `check` reads params too, but measures nothing.
    readers = [stage for stage, of in stages.items() if stage != "check" and names & set(of.get("params", []))]
    for stage in BEFORE_TRAINING:
        if stage in readers:
            different = "trials would be validated on different data, and could not be compared"
            raise UserError(f"{path}: {param} is read by {stage}, so that {different}.")
    if "train" not in readers:
        same = f"all trials would be the same; it is of {', '.join(readers)}"
        raise UserError(f"{path}: {param} is not read by train, so that {same}.")


def distribution(source: str, param: str, of: Any, params: Params) -> BaseDistribution:
    """The distribution that a param is drawn from.

    Args:
        source: for messages.
        param: its name.
        of: `low`, `high` and `log`, or `choices`.
        params: beside which each value must be valid.

    Raises:
        UserError: names what is wrong.
    """
    values = params.model_dump()
    current = by_name(values)[param]  # an int if the param is a whole number, a float if it is another number
    keys = set(of) if isinstance(of, dict) else set()
    if keys == {"choices"} and isinstance(of["choices"], list) and of["choices"]:
        for value in of["choices"]:
            check_params(with_value(values, param, value), source)
        return CategoricalDistribution(of["choices"])
    if not ({"low", "high"} <= keys <= {"low", "high", "log"} and isinstance(of.get("log", False), bool)):
        needed = "`low` and `high` (and `log: true` if wanted), or `choices`, a list"
        raise UserError(f"{source}: {param} must have {needed}.")
    if not isinstance(current, (int, float)):
        raise UserError(f"{source}: {param} is no number: it must have `choices`, a list.")
    low, high, log = of["low"], of["high"], of.get("log", False)
    for value in (low, high):
        check_params(with_value(values, param, value), source)
    if low >= high or (log and low <= 0):
        also = ", and above 0" if log else ""
        raise UserError(f"{source}: {param}: low is {low!r} and high {high!r}; low must be the smaller one{also}.")
    return (IntDistribution if isinstance(current, int) else FloatDistribution)(low, high, log=log)


def by_name(values: dict[str, Any]) -> dict[str, Any]:
    """The values of params.yaml by the names of `param_names`: `group.key` for one of a group."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        named |= {f"{name}.{key}": of for key, of in value.items()} if isinstance(value, dict) else {name: value}
    return named


def with_value(values: dict[str, Any], param: str, value: Any) -> dict[str, Any]:
    """The values of params.yaml with another one of `param`."""
    group, _, key = param.rpartition(".")
    return values | ({group: values[group] | {key: value}} if group else {key: value})


def contains(sweep: Sweep, drawn: dict[str, Any]) -> bool:
    """Whether the space contains a value of each of its params."""

    def within(of: BaseDistribution, value: Any) -> bool:
        if isinstance(of, CategoricalDistribution):
            return value in of.choices
        return isinstance(value, (int, float)) and of.low <= value <= of.high

    return all(within(of, drawn[param]) for param, of in sweep.space.items())


def as_written(value: Any) -> Any:
    """A drawn value as it is written to params.yaml: numbers with 3 significant digits."""
    return float(f"{value:.3g}") if isinstance(value, float) and math.isfinite(value) else value


def as_shown(value: Any) -> str:
    """A param's value in a message or a table."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def experiments() -> list[dict]:
    """The experiments of the current commit, from `dvc exp show --json`."""
    done = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"dvc exp show: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return json.loads(done.stdout)


def valid_of(name: str) -> float:
    """Validation NDCG@20 of an experiment of the current commit; much faster than `experiments`."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    head = git("rev-parse", "HEAD")
    return json.loads(git("show", f"refs/exps/{head[:2]}/{head[2:]}/{name}:./metrics/valid/{DECIDES}.json"))[MODEL]


def finished_trials(sweep: Sweep, states: list[dict], params: dict[str, Any]) -> tuple[list[Trial], list[str]]:
    """The sweep's trials among the experiments of the current commit.

    Args:
        sweep: the sweep.
        states: from `experiments`.
        params: the values of params.yaml, `by_name`; a trial counts if it differs in params of the space alone.

    Returns:
        The trials, sorted by name, and the names of those that do not count.
    """
    trials, others = [], []
    for state in states:
        for experiment in (state.get("experiments") or []) if state["rev"] != "workspace" else []:
            last = experiment["revs"][0]
            if not (last["name"] or "").startswith(f"{sweep.name}-") or not last["data"]:
                continue
            if (experiment["executor"] or {"state": "success"})["state"] != "success":
                continue  # it is running, or was killed: its metrics are still the commit's
            of_trial = by_name(last["data"]["params"].get(str(PARAMS), {}).get("data", {}))
            files = {path: of["data"] for path, of in last["data"]["metrics"].items() if "data" in of}
            metrics = {path.removeprefix("metrics/").removesuffix(".json"): of for path, of in files.items()}
            drawn = {param: of_trial.get(param) for param in sweep.space}
            same = all(of_trial.get(param) == value for param, value in params.items() if param not in sweep.space)
            if contains(sweep, drawn) and same and MODEL in metrics.get(f"valid/{DECIDES}", {}):
                trials.append(Trial(last["name"], drawn, metrics[f"valid/{DECIDES}"][MODEL], metrics))
            else:
                others.append(last["name"])
    return sorted(trials), sorted(others)
