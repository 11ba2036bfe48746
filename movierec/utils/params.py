"""The params of params.yaml: their types, ranges and descriptions."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from annotated_types import Len
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML, YAMLError

from movierec.utils.errors import UserError, check_is_file, did_you_mean
from movierec.utils.years import parse_years

NO_GPU = "params.yaml: device is 'cuda', but torch sees no CUDA device here; set it to cpu."
Dataset = Literal["ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "path"]
SplitStrategy = Literal["random", "user_temporal", "global_temporal", "leave_one_out"]
Mask = Literal["train", "train+valid"]
MASKS = get_args(Mask)
S = TypeVar("S", bound="Section")


def _valid_years(text: str) -> str:
    if text != "any":
        parse_years(text)
    return text


def _distinct(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError("must not repeat a value")
    return values


def _year_as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value  # YAML reads 1994 as a number


def _param(description: str, **limits: Any) -> Any:
    return Field(description=description, **limits)


def _auto_as_none(value: Any) -> Any:
    if value is None:
        raise ValueError("should be a number or auto")
    return None if value == "auto" else value


Text = Annotated[str, Field(pattern=r"\S")]
Auto = (BeforeValidator(_auto_as_none), PlainSerializer(lambda value: "auto" if value is None else value))
Years = Annotated[str, BeforeValidator(_year_as_text), AfterValidator(_valid_years)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
Process = Literal["auto", "dense", "local", "none"]
Count = Annotated[int, Field(ge=1, le=10**5)]
NotNegative = Annotated[float, Field(ge=0, le=10**6)]
Cutoff = Annotated[int, Field(ge=1, le=100)]
Distinct = [Len(1, 100), AfterValidator(_distinct)]


class Section(BaseModel):
    """Params that are read together."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Columns(Section):
    """The names of the columns of one's own tables."""

    user: Text = _param("`auto` finds known names")
    item: Text = _param("of movies or other items")
    rating: Text = _param("stars, or see rating_scale; `none`: all rows are likes, or have weights")
    weight: Text = _param("a number such as of plays, in place of a rating")
    timestamp: Text = _param("seconds to nanoseconds since 1970, or dates")
    title: Text = _param("of an item")
    genres: Text = _param("of an item, separated by |")


class Ease(Section):
    """The EASE baseline."""

    lambdas: Annotated[list[Positive], *Distinct] = _param("L2 regularisation, tried from the middle one on")
    max_items: int = _param("most movies of EASE, whose matrix is dense", ge=1, le=10**6)


class Knn(Section):
    """The item-kNN baseline."""

    neighbors: Annotated[list[Count], *Distinct] = _param("neighbours kept for each movie, each number is tried")
    shrinkages: Annotated[list[NotNegative], *Distinct] = _param("shrink similarities of few users, each is tried")


class Next(Section):
    """The next-movie model, for the split strategies that follow time."""

    half_lives: Annotated[list[Positive], *Distinct] = _param("decay of past movies, in movies; a state for each")
    dim: int = _param("embedding size per half-life", ge=1, le=4096)
    hidden: int = _param("width of the hidden layer", ge=1, le=65536)
    temperature: float = _param("of the softmax", gt=0, le=10)
    lr: float = _param("Adam's peak learning rate", gt=0, le=10)
    epochs: int = _param("passes over all histories", ge=1, le=10**5)
    batch_steps: int = _param("movies per batch, approximately", ge=1, le=10**8)
    negatives: int = _param("sampled movies in the softmax, approximately", ge=1, le=10**8)


class Params(Section):
    """All params of params.yaml, in the order of the file."""

    dataset: Dataset = _param("a MovieLens release, or your own data")
    data_path: Text = _param("the folder of your own data, for `dataset: path`")
    columns: Columns
    rating_scale: float = _param("highest rating in your own data; ratings become stars, up to 5", gt=0, le=1e6)
    max_rejected: float = _param("largest share of rejected rows per file", ge=0, le=1)
    max_repeated: float = _param("largest share of interactions that repeat a user and item", ge=0, le=1)
    min_rating: float = _param("least rating (or weight) of a positive interaction", gt=0, le=1e9)
    k_core: int = _param("least positive interactions of each user and movie", ge=1, le=10**6)

    split_strategy: SplitStrategy = _param("random, or by time: each user's latest, one cut for all, each user's last")
    valid_fraction: float = _param("share of the interactions in the validation set", gt=0, lt=1)
    test_fraction: float = _param("share of the interactions in the test set", gt=0, lt=1)
    ties: Literal["hash", "file"] = _param("order within a second, for splits by time: by hash, or as in the file")
    seed: int = _param("of the random split, the initial embeddings and the training order", ge=0, le=2**32 - 1)

    rating_power: float = _param("an edge weighs (rating / mean rating) ^ this; 0 ignores ratings", ge=0, le=4)

    knn: Knn
    ease: Ease  # its last value is no list: DVC would lose the comment after one

    embedding_dim: Annotated[int | None, *Auto] = _param(
        "of users and movies; auto: by number of movies", ge=1, le=4096
    )
    n_layers: int = _param("propagation layers", ge=0, le=8)
    temperature: Annotated[float | None, *Auto] = _param(
        "score = cosine / this; auto: by number of movies, and lower where validation gains", gt=0, le=10
    )
    user_process: Process = _param("Gaussian process over users: dense, of nearest neighbours, or the cheaper one")
    item_process: Process = _param("the same over movies")
    gender_weight: float = _param("weight of the users' gender in their kernel; 0 leaves it out", ge=0, le=10)
    genre_weight: float = _param("weight of the movies' genres in their kernel; 0 leaves them out", ge=0, le=10)

    device: Literal["cpu", "cuda"] = _param("of the graph model's training")
    lr: float = _param("Adam's learning rate", gt=0, le=10)
    weight_decay: float = _param("L2 penalty on the embeddings", ge=0, le=1)
    user_weight_power: float = _param("an interaction weighs (its user's degree) ^ -this in the loss", ge=0, le=2)
    batch_size: int = _param("most users per step", ge=1, le=10**9)
    epoch_steps: int = _param("most steps per epoch; with more users, batches are larger", ge=1, le=10**6)
    epochs: int = _param("most epochs, of `epoch_steps` steps or fewer", ge=1, le=10**5)
    patience: int = _param("stop after this many epochs that gain less than .5 % in validation NDCG@20", ge=1, le=10**5)
    softmax: Literal["auto", "exact", "sampled"] = _param("over all movies, over a sample of them, or the cheaper one")
    negatives: int = _param("sampled movies in the softmax, approximately", ge=1, le=10**8)
    processes: int = _param("processes that train, rank and evaluate together on this machine", ge=1, le=1024)
    checkpoint_epochs: int = _param("epochs between checkpoints, to resume a killed run; 0 keeps none", ge=0, le=10**5)

    next: Next

    history: Literal["auto", "train", "train+valid"] = _param(
        "interactions known of a user at test; auto: train+valid with a split by time, else train"
    )
    mask: Mask = _param("interactions left out of the test rankings; those of the history always are")
    cutoffs: Annotated[list[Cutoff], *Distinct] = _param("k of the accuracy metrics in metrics/every_cutoff.json")
    top_k: int = _param("recommendations per user", ge=1, le=10**6)
    only_genres: Text = _param("`any`, or recommend only movies of one of these genres: Drama|Comedy")
    not_genres: Text = _param("`none`, or recommend no movies of these genres: Horror|War")
    only_years: Years = _param("`any`, or recommend only movies of these years: 1994 or 1990-1999")
    diversity: float = _param("0 ranks by relevance alone; towards 1, lists are more diverse", ge=0, le=1)
    recommendations_as: Literal["parquet", "parquet+csv"] = _param("file formats of the recommendations")


def knows_valid(params: Params) -> bool:
    """Whether a user's history at test includes validation."""
    return params.history == "train+valid" or (params.history == "auto" and params.split_strategy != "random")


def check_params(values: dict[str, Any], source: str) -> Params:
    """The params with these values, which come from the file `source`.

    Raises:
        UserError: names the key, its value, what is allowed, and the source.
    """
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        # A misspelt key is also a missing one; its own error, with the closest key, says more.
        details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
        raise UserError(f"{source}: {_explain(details[0])}") from None
    fractions = (values["valid_fraction"], values["test_fraction"])
    if sum(fractions) >= 1:
        both = "valid_fraction {:g} and test_fraction {:g}".format(*fractions)
        raise UserError(f"{source}: {both} leave nothing to train on; their sum must be below 1.")
    return params


def _explain(detail: ErrorDetails) -> str:
    """One validation error as a sentence."""
    key = ".".join(str(place) for place in detail["loc"])
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        known = param_names()
        return f"unknown key '{key}'; {did_you_mean(key, known, 'known keys: ' + ', '.join(known))}"
    if detail["type"] == "missing":
        return f"the key '{key}' is missing; `git diff params.yaml` shows what was removed."
    reason = detail["msg"].removeprefix("Value error, ")
    return f"{key} is {detail['input']!r}: {reason[0].lower()}{reason[1:]}."


def param_names(section: type[Section] = Params, prefix: str = "") -> list[str]:
    """All keys in the order of params.yaml, those of a group as `group.key`."""
    names: list[str] = []
    for name, field in section.model_fields.items():
        group: Any = field.annotation
        nested = isinstance(group, type) and issubclass(group, Section)
        names += param_names(group, f"{name}.") if nested else [prefix + name]
    return names


def only(params: S, keys: Iterable[str]) -> S:
    """The params with these keys (a param, a group, or `group.key`); reading another one raises an AttributeError."""
    within: dict[str, list[str]] = {}
    for key in keys:
        name, _, rest = key.partition(".")
        within.setdefault(name, []).extend([rest] if rest else [])
    values = {name: vars(params)[name] for name in within}
    values |= {name: only(values[name], rest) for name, rest in within.items() if rest}
    return type(params).model_construct(set(values), **values)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; a UserError if it is missing or not YAML."""
    check_is_file(path)
    try:
        # YAML 1.2: DVC writes 1e-5 as 1e-05, which a YAML 1.1 reader takes for text.
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `git checkout {path.name}` restores it.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold lines of 'key: value'.")
    return values


def read_params(path: Path) -> Params:
    """The params of a file; a UserError if it is missing or not YAML, or a value is not allowed."""
    return check_params(read_yaml(path), path.name)
