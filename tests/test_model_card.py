"""The model card says what the metrics say."""

import pandas as pd
import pytest

from movierec.model_card import QUESTIONS, Facts, model_card
from movierec.params import SPLIT_STRATEGIES


def facts(**changes):
    groups = pd.DataFrame({"group": ["women (2 users)", "men (3 users)"] * 2, "series": ["model"] * 2 + ["EASE"] * 2,
                           "ndcg": [0.25, 0.5, 0.1, 0.2], "low": [0.2, 0.4, 0, 0], "high": [0.3, 0.6, 1, 1]})  # fmt: skip
    test = {f"{name}@20": {"model": 0.4321, "EASE": 0.3} for name in ("ndcg", "recall", "hit_rate", "gini", "novelty", "popularity_lift")}
    test |= {"coverage@20": {"model": 0.4, "EASE": 0.3}}
    test |= {f"ndcg@20_model_minus{suffix}": {"EASE": value} for suffix, value in (("", 0.13), ("_low", 0.12), ("_high", 0.14), ("_p", 0.0019))}
    test |= {f"ndcg@20_women_minus_men{suffix}": {"model": value, "EASE": -0.1} for suffix, value in (("", -0.25), ("_low", -0.3), ("_high", -0.2))}
    known = Facts("Some films", 3.5, "random", 5, 7, {"train": 20, "valid": 2, "test": 1234}, (1999, 2001), 4, {"user": 1, "item": 2}, test, {"users_by_gender": groups})
    return known._replace(**changes)


def test_each_number_is_in_its_place():
    card = model_card(facts())
    for said in (
        "Some films: 5 users, 7 movies, ratings from 1999 to 2001, of which those of 3.5 and more",
        "test 1,234", "On test, 4 users", "| model | 0.4321 |",
        "NDCG@20 minus that of EASE: +0.1300 (95% interval +0.1200 to +0.1400; paired bootstrap over users, p < 0.002)",
        "| women (2 users) | 0.250 | 0.200 to 0.300 |",
        "is -0.2500 (95% interval -0.3000 to -0.2000): men are served better",
        "worst for women (2 users), NDCG@20 0.250", "60% of the movies are in nobody's", "43% more popular", "2 movies and 1 users",
    ):  # fmt: skip
        assert said in card, said


def test_a_gap_whose_interval_holds_zero_may_be_chance():
    test = facts().test | {"ndcg@20_women_minus_men_high": {"model": 0.01, "EASE": 0}}
    assert "may be chance" in model_card(facts(test=test))


def test_without_genders_genres_or_baselines_there_is_still_a_card():
    test = {name: values for name, values in facts().test.items() if "minus" not in name}
    card = model_card(facts(test=test, groups={}))
    assert "women" not in card and "minus that of" not in card and "nan" not in card


@pytest.mark.parametrize("strategy", SPLIT_STRATEGIES)
def test_every_split_strategy_is_explained(strategy):
    assert QUESTIONS[strategy] in model_card(facts(split_strategy=strategy))
