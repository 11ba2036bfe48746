"""Read params.yaml, check every value, and hand a stage the keys that it declares."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError

from movierec.errors import UserError, did_you_mean

DATASETS = ("ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "path")
SPLIT_STRATEGIES = ("random", "user_temporal", "global_temporal", "leave_one_out")
DEVICES = ("cpu", "cuda")
NO_GPU = "params.yaml: device is 'cuda', but torch sees no CUDA device here; set it to cpu."  # what is said where one is asked for in vain
SOFTMAXES = ("auto", "exact", "sampled")
MASKS = ("train", "train+valid")
RECOMMENDATION_FILES = ("parquet", "parquet+csv")


class Choice(NamedTuple):
    """One of a few words."""

    options: tuple[str, ...]

    def check(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.options:
            raise ValueError
        return value

    def __str__(self) -> str:
        return "one of " + ", ".join(self.options)


class Text(NamedTuple):
    """Any text but the empty one."""

    def check(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return value

    def __str__(self) -> str:
        return "text"


class Matching(NamedTuple):
    """Text, or a whole number as text, of a certain form."""

    pattern: str
    says: str  # what it must be

    def check(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not re.fullmatch(self.pattern, str(value)):
            raise ValueError
        return str(value)

    def __str__(self) -> str:
        return self.says


class Number(NamedTuple):
    """A number in a range; `whole` for an int, else a float. `above` is an open lower end."""

    low: float
    high: float = float("inf")
    whole: bool = False
    above: bool = False
    below: bool = False

    def check(self, value: Any) -> Any:
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError
        # Written so that NaN, which compares false with everything, fails.
        inside_low = value > self.low if self.above else value >= self.low
        inside_high = value < self.high if self.below or self.high == float("inf") else value <= self.high
        if not (inside_low and inside_high):
            raise ValueError
        return value if self.whole else float(value)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:g}" if self.above else f"at least {self.low:.10g}"
        if self.high == float("inf"):
            return f"{kind} {low}"
        return f"{kind} {low} and {'below' if self.below else 'at most'} {self.high:.10g}"


class ListOf(NamedTuple):
    """A list of one or more values, each as `each` says and none of them twice."""

    each: Number

    def check(self, value: Any) -> Any:
        if not isinstance(value, list) or not value:
            raise ValueError
        checked = [self.each.check(v) for v in value]
        if len(set(checked)) < len(checked):
            raise ValueError
        return checked

    def __str__(self) -> str:
        return f"a list of different values, each {self.each}"


SCHEMA: dict[str, Choice | Text | Matching | Number | ListOf] = {
    "dataset": Choice(DATASETS),
    "data_path": Text(),
    "max_rejected": Number(0, 1),
    "min_rating": Number(0, above=True),
    "k_core": Number(1, whole=True),
    "split_strategy": Choice(SPLIT_STRATEGIES),
    "valid_fraction": Number(0, 1, above=True, below=True),
    "test_fraction": Number(0, 1, above=True, below=True),
    "seed": Number(0, 2**32 - 1, whole=True),
    "rating_power": Number(0, 4),
    "ease_lambdas": ListOf(Number(0, above=True)),
    "ease_max_items": Number(1, whole=True),
    "knn_neighbors": Number(1, whole=True),
    "knn_shrinkage": Number(0),
    "embedding_dim": Number(1, 4096, whole=True),
    "n_layers": Number(0, 8, whole=True),
    "temperature": Number(0, 10, above=True),
    "kernel_max_nodes": Number(0, whole=True),
    "gender_weight": Number(0, 10),
    "genre_weight": Number(0, 10),
    "device": Choice(DEVICES),
    "lr": Number(0, 10, above=True),
    "weight_decay": Number(0, 1),
    "user_weight_power": Number(0, 2),
    "batch_size": Number(1, whole=True),
    "epoch_steps": Number(1, whole=True),
    "epochs": Number(1, whole=True),
    "patience": Number(1, whole=True),
    "softmax": Choice(SOFTMAXES),
    "negatives": Number(1, whole=True),
    "processes": Number(1, 1024, whole=True),
    "checkpoint_epochs": Number(0, whole=True),
    "half_lives": ListOf(Number(0, 1e6, above=True)),
    "next_dim": Number(1, 4096, whole=True),
    "next_hidden": Number(1, 65536, whole=True),
    "next_temperature": Number(0, 10, above=True),
    "next_lr": Number(0, 10, above=True),
    "next_epochs": Number(1, whole=True),
    "next_batch_steps": Number(1, whole=True),
    "next_negatives": Number(1, whole=True),
    "mask": Choice(MASKS),
    "cutoffs": ListOf(Number(1, 100, whole=True)),
    "top_k": Number(1, whole=True),
    "only_genres": Text(),
    "not_genres": Text(),
    "only_years": Matching(r"any|\d{4}(-\d{4})?", "any, a year (1994), or a first and a last one (1990-1999)"),
    "diversity": Number(0, 1),
    "recommendations_as": Choice(RECOMMENDATION_FILES),
}


def check_params(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Check a whole set of params.

    Args:
        values: key to value, as read.
        source: where they come from, for the messages (a path).

    Returns:
        The same keys; whole numbers where a fraction is allowed become floats.

    Raises:
        UserError: names the key, its value, what is allowed, and the source.
    """
    for key in values:
        if key not in SCHEMA:
            hint = did_you_mean(key, SCHEMA, f"known keys: {', '.join(SCHEMA)}.")
            raise UserError(f"{source}: unknown key '{key}'; {hint}")
    for key in SCHEMA:
        if key not in values:
            raise UserError(f"{source}: the key '{key}' is missing; it must be {SCHEMA[key]}.")
    checked = {}
    for key, kind in SCHEMA.items():
        try:
            checked[key] = kind.check(values[key])
        except ValueError:
            raise UserError(f"{source}: {key} is {values[key]!r}, but it must be {kind}.") from None
    if checked["valid_fraction"] + checked["test_fraction"] >= 1:
        raise UserError(
            f"{source}: valid_fraction {checked['valid_fraction']:g} and test_fraction "
            f"{checked['test_fraction']:g} leave nothing to train on; their sum must be below 1."
        )
    return checked


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's keys and values.

    Raises:
        UserError: it is missing, or is none.
    """
    try:
        # YAML 1.2: DVC writes 1e-5 as 1e-05, which a YAML 1.1 reader takes for text.
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `git checkout {path.name}` brings it back.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold lines of 'key: value'.")
    return values


def read_params(path: Path, keys: tuple[str, ...]) -> SimpleNamespace:
    """The params named in `keys`, as attributes.

    The whole file is checked, so that a typo in a late stage's param stops the first stage; only
    `keys` are handed out, so that a stage cannot use a param that it does not declare.

    Raises:
        UserError: the file is missing or not YAML, or a value is not allowed.
    """
    checked = check_params(read_yaml(path), str(path.name))
    return SimpleNamespace(**{key: checked[key] for key in keys})
