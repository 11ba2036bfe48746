"""The model card (Mitchell et al., Model Cards for Model Reporting, FAT* 2019), in Markdown."""

import re
from pathlib import Path
from typing import NamedTuple

import jinja2
import pandas as pd

from movierec import __version__
from movierec.evaluation.measure import K, Table
from movierec.interactions.matrix import Split
from movierec.utils.params import Params, knows_valid

TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
SHOWN = ("ndcg", "recall", "hit_rate", "coverage", "gini", "novelty", "diversity", "popularity_lift")
QUESTIONS = {
    "random": "a random part of each user's interactions is held out",
    "user_temporal": "the last part of each user's interactions is held out",
    "global_temporal": "all interactions after one point in time are held out",
    "leave_one_out": "the last interaction of each user is held out",
}


class Facts(NamedTuple):
    """The content of the card."""

    data: str  # name of the data set
    params: Params  # history, min_rating, split_strategy
    split: Split  # of tables
    shape: tuple[int, int]  # users and movies
    n_ranked: int  # users of test that were evaluated
    cold: pd.Series  # 'user' or 'item', for each that is in validation or test, but not in train
    test: Table
    groups: dict[str, pd.DataFrame]  # of users and of movies: group, series, ndcg, low, high


def model_card(facts: Facts) -> str:
    """The card as Markdown."""
    test = facts.test
    groups = {name.replace("_", " "): of[of["series"] == "model"] for name, of in facts.groups.items()}

    def ends(name: str, model: str, suffixes: tuple[str, ...]) -> list[float]:
        return [test[f"ndcg@{K}_{name}{suffix}"][model] for suffix in suffixes]

    times = pd.to_datetime(pd.concat([of["timestamp"] for of in facts.split]), unit="s", utc=True).dt.year
    others = test.get(f"ndcg@{K}_model_minus", {})
    gaps = test.get(f"ndcg@{K}_women_minus_men", {})
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["escaped"] = lambda text: re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", text)  # names from data
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        facts._asdict() | {"k": K, "version": __version__},
        knows_valid=knows_valid(facts.params),
        question=QUESTIONS[facts.params.split_strategy],
        n_interactions={part: len(of) for part, of in facts.split._asdict().items()},
        years=(times.min(), times.max()),
        n_cold={kind: int((facts.cold == kind).sum()) for kind in ("user", "item")},
        metrics=[f"{name}@{K}" for name in SHOWN if f"{name}@{K}" in test],
        differences={name: ends("model_minus", name, ("", "_low", "_high", "_p")) for name in others},
        groups={name: list(of.itertuples()) for name, of in groups.items()},
        gap=ends("women_minus_men", "model", ("", "_low", "_high")) if gaps else None,
        gaps={model: value for model, value in gaps.items() if model != "model"},
        worst={name: of.loc[of["ndcg"].idxmin()] for name, of in groups.items() if len(of) > 1},
        lift=test[f"popularity_lift@{K}"]["model"],
    )
