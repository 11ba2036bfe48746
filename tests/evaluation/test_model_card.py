"""The numbers of the model card."""

import re
from typing import get_args

import pandas as pd
import pytest
from conftest import params_with

import movierec
from movierec.evaluation.model_card import QUESTIONS, Facts, model_card
from movierec.interactions.matrix import Split
from movierec.utils.params import SplitStrategy

GROUPS = {"group": ["women (2 users)", "men (3 users)"] * 2, "series": ["model"] * 2 + ["EASE"] * 2}
GROUPS |= {"ndcg": [0.25, 0.5, 0.1, 0.2], "low": [0.2, 0.4, 0, 0], "high": [0.3, 0.6, 1, 1]}
DIFFERENCE = {"": 0.13, "_low": 0.12, "_high": 0.14, "_p": 0.0019}
GAP = {"": -0.25, "_low": -0.3, "_high": -0.2}
TEST = {f"{name}@20": {"model": 0.4321, "EASE": 0.3} for name in ("ndcg", "recall", "hit_rate", "gini", "novelty")}
TEST |= {"coverage@20": {"model": 0.4, "EASE": 0.3}, "popularity_lift@20": {"model": 0.4321, "EASE": 0.3}}
TEST |= {f"ndcg@20_model_minus{end}": {"EASE": value} for end, value in DIFFERENCE.items()}
TEST |= {f"ndcg@20_women_minus_men{end}": {"model": value, "EASE": -0.1} for end, value in GAP.items()}


def interactions(n, *dates):
    """A table of n interactions, at these dates and, the others, in 2000."""
    times = [pd.Timestamp(date).timestamp() for date in [*dates, *["2000-06-01"] * (n - len(dates))]]
    return pd.DataFrame({"timestamp": pd.array(times, dtype="int64")})


SPLIT = Split(interactions(20, "1999-01-01"), interactions(2), interactions(1234, "2001-12-31 23:59:59"))
COLD = pd.Series(["user", "item", "item"])
CARD = {"data": "Some films", "params": params_with(min_rating=3.5), "split": SPLIT, "shape": (1005, 7)}
CARD |= {"n_ranked": 4, "cold": COLD, "test": TEST, "groups": {"users_by_gender": pd.DataFrame(GROUPS)}}


def card_of(**changes):
    """A card, with some of its facts changed."""
    return model_card(Facts(**CARD | changes))


@pytest.mark.parametrize(
    "text",
    [
        "Some films, with positive interactions: 1,005 users, 7 movies, ratings from 1999 to 2001. Ratings of 3.5",
        "(train 20, valid 2, test 1,234)",
        "1,234 interactions of 4 users",
        f"Version: {movierec.__version__}.",
        "| model | ndcg@20 | recall@20 | hit_rate@20 | coverage@20 |",
        "| model | 0.4321 | 0.4321 | 0.4321 | 0.4000 |",
        "| EASE | 0.3000 |",
        "NDCG@20 minus that of EASE: +0.1300 (95% interval +0.1200 to +0.1400; paired bootstrap over users, p < 0.002)",
        "| **users by gender** | | |\n| women (2 users) | 0.250 | 0.200 to 0.300 |\n| men (3 users) | 0.500 |",
        ": -0.2500 (95% interval -0.3000 to -0.2000): men's lists score higher. Of the baselines: EASE -0.1000.",
        "Lowest of users by gender: women (2 users), NDCG@20 0.250.",
        "60% of the movies are in no list of 20",
        "43% more popular",
        "2 movies and 1 user of validation",
    ],
)
def test_each_number_is_in_its_place(text):
    assert text in card_of()


def test_the_groups_are_those_of_the_model():
    assert card_of().count("| women (2 users) |") == 1


@pytest.mark.parametrize(
    ("low", "value", "high", "text"),
    [
        (-0.3, -0.25, 0.01, "may be chance"),
        (0.1, 0.2, 0.3, "women's lists score higher"),
        (-0.3, -0.2, -0.1, "men's lists score higher"),
    ],
)
def test_a_gap_whose_interval_holds_zero_may_be_chance(low, value, high, text):
    gap = {"": value, "_low": low, "_high": high}
    test = TEST | {f"ndcg@20_women_minus_men{end}": {"model": of} for end, of in gap.items()}
    assert f"{value:+.4f} (95% interval {low:+.4f} to {high:+.4f}): {text}" in card_of(test=test)


@pytest.mark.parametrize(("p", "text"), [(0.0019, "p < 0.002"), (0.03, "p = 0.030"), (1.0, "p = 1.000")])
def test_the_p_value_is_no_smaller_than_the_bootstrap_can_tell(p, text):
    assert text in card_of(test=TEST | {"ndcg@20_model_minus_p": {"EASE": p}})


def test_recommendations_may_be_less_popular_than_the_history():
    assert "25% less popular" in card_of(test=TEST | {"popularity_lift@20": {"model": -0.25, "EASE": 0}})


def test_without_genders_genres_or_baselines_there_is_still_a_card():
    test = {name: {"model": values["model"]} for name, values in TEST.items() if "minus" not in name}
    card = card_of(test=test, groups={})
    assert not re.search("women|minus that of|Lowest of|nan|None|EASE", card)


def test_the_card_is_markdown_without_gaps():
    card = card_of()
    tables = [line for line in card.splitlines() if line.startswith("|")]
    assert len(tables) == 2 + 2 + 2 + 3, "two tables, of the models and of the groups"
    assert "\n\n\n\n" not in card
    assert "{" not in card
    assert card.endswith(".\n")


def test_the_card_has_the_sections_of_mitchell_et_al():
    sections = ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data"]
    sections += ["Quantitative analyses", "Ethical considerations", "Caveats and recommendations"]
    assert re.findall("^## (.*)$", card_of(), re.MULTILINE) == [*sections, "Compute used"]


def test_names_from_the_data_are_no_markup():
    genres = pd.DataFrame(GROUPS | {"group": ["<script>x</script>", "a|b*c_d_ {{ 7 * 7 }}"] * 2})
    card = card_of(data="[My](films)", groups={"movies_by_genre": genres})
    assert "\\[My\\](films), with positive" in card
    assert "| \\<script\\>x\\</script\\> | 0.250 |" in card and "| a\\|b\\*c\\_d\\_ {{ 7 \\* 7 }} | 0.500 |" in card
    assert "Lowest of movies by genre: \\<script" in card


@pytest.mark.parametrize("strategy", get_args(SplitStrategy))
def test_every_split_strategy_is_explained(strategy):
    card = card_of(params=params_with(split_strategy=strategy))
    assert f"`{strategy}`: {QUESTIONS[strategy]}" in card
