"""The model card, in Markdown: what the model was trained on, how well it does and for whom, where it fails, and what it is not for.

After Mitchell et al., Model Cards for Model Reporting (FAT* 2019).
"""

from typing import NamedTuple

import pandas as pd

from movierec.evaluation import K

IN_TABLE = ("ndcg", "recall", "hit_rate", "coverage", "gini", "novelty", "diversity", "popularity_lift")
QUESTIONS = {
    "random": "a random part of what each user likes is hidden, and is to be found",
    "user_temporal": "the last part of what each user liked is to be found, from what came before",
    "global_temporal": "what users liked after a certain day is to be found, from what came before that day",
    "leave_one_out": "the last movie that each user liked is to be found, from all before it",
}


class Facts(NamedTuple):
    """What the card is written from."""

    data: str  # name of the data set
    min_rating: float
    split_strategy: str
    n_users: int
    n_movies: int
    n_interactions: dict[str, int]  # by part of the split
    years: tuple[int, int]  # of the ratings
    n_ranked: int  # users of test that were measured
    n_cold: dict[str, int]  # 'user' and 'item': in validation or test, but not in train
    test: dict[str, dict[str, float]]  # metric to model to value
    groups: dict[str, pd.DataFrame]  # of users and of movies: group, series, ndcg, low, high


def model_card(facts: Facts) -> str:
    """The card as Markdown."""
    parts = ", ".join(f"{part} {n:,}" for part, n in facts.n_interactions.items())
    first, last = facts.years
    return f"""# Model card

Written by the `evaluate` stage from the metrics of the run that it lies in; `dvc repro` writes it anew.

## What it is

A recommender of movies: for each user, a ranking of all movies that they have not rated. A graph neural network (LightGCN) over who
liked what, with a Gaussian process over users and one over movies; where the split follows time, also a part that knows what comes
next. It knows users by their ratings and their gender, and movies by who liked them and their genres; nothing else.

## What it was trained on

{facts.data}: {facts.n_users:,} users, {facts.n_movies:,} movies, ratings from {first} to {last}, of which those of {facts.min_rating:g} and more count as
"liked" ({parts}). Split strategy `{facts.split_strategy}`: {QUESTIONS[facts.split_strategy]}. Choices were made on validation alone.

## How well it does

On test, {facts.n_ranked:,} users, all movies ranked, the first {K} places:

{accuracy_table(facts.test)}

{comparison(facts.test)}
## For whom it works

NDCG@{K} of the model, with 95% bootstrap intervals. For movies: of the same lists, where the group's movies alone are to be found, so that
a group with few movies in each list has low values.

{groups_table(facts.groups)}
{gender_gap(facts.test)}
## Where it fails

{failures(facts)}

## What it must not be used for

- To judge people. What someone rated says little about who they are, and gender is used only to make users alike.
- To choose for children, or for anyone who must be kept from some content: it knows nothing of age ratings or of what a movie shows.
- For people unlike those it was trained on: they volunteered to rate movies on a web site, {first} to {last}. Movies that came later do not exist for it.
- As proof that a recommendation makes anyone watch or like something: it was measured on what people had chosen by themselves.
- Commercially, or with the data passed on, where the data set's terms forbid it; MovieLens' do without GroupLens' permission.
"""


def accuracy_table(test: dict[str, dict[str, float]]) -> str:
    """Models as rows, metrics as columns."""
    metrics = [f"{name}@{K}" for name in IN_TABLE if f"{name}@{K}" in test]
    head = "| model | " + " | ".join(metrics) + " |\n|---|" + "---|" * len(metrics)
    rows = [f"| {model} | " + " | ".join(f"{test[metric][model]:.4f}" for metric in metrics) + " |" for model in test[f"ndcg@{K}"]]
    return "\n".join([head, *rows])


def comparison(test: dict[str, dict[str, float]]) -> str:
    """The model against each baseline, in a sentence each."""
    name = f"ndcg@{K}_model_minus"
    if name not in test:
        return ""
    lines = [
        f"- NDCG@{K} minus that of {model}: {test[name][model]:+.4f} (95% interval {test[f'{name}_low'][model]:+.4f} to "
        f"{test[f'{name}_high'][model]:+.4f}; paired bootstrap over users, p {'<' if p < 0.002 else '='} {max(p, 0.002):.3f})."
        for model, p in test[f"{name}_p"].items()
    ]
    return "\n".join(lines) + "\n"


def groups_table(groups: dict[str, pd.DataFrame]) -> str:
    """A row for each group."""
    rows = ["| group | NDCG | 95% interval |", "|---|---|---|"]
    for name, table in groups.items():
        rows.append(f"| **{name.replace('_', ' ')}** | | |")
        rows += [f"| {row.group} | {row.ndcg:.3f} | {row.low:.3f} to {row.high:.3f} |" for row in table[table["series"] == "model"].itertuples()]
    return "\n".join(rows) + "\n"


def gender_gap(test: dict[str, dict[str, float]]) -> str:
    """The difference between women and men, and whether it can be chance."""
    name = f"ndcg@{K}_women_minus_men"
    if name not in test:
        return ""
    gap, low, high = (test[f"{name}{suffix}"]["model"] for suffix in ("", "_low", "_high"))
    verdict = "may be chance" if low <= 0 <= high else f"{'women' if gap > 0 else 'men'} are served better"
    baselines = ", ".join(f"{model} {value:+.4f}" for model, value in test[name].items() if model != "model")
    return f"\nWomen's NDCG@{K} minus men's is {gap:+.4f} (95% interval {low:+.4f} to {high:+.4f}): {verdict}. Of the baselines: {baselines}.\n"


def failures(facts: Facts) -> str:
    """What is worst, as this run measured it."""
    lines = []
    for name, table in facts.groups.items():
        of_model = table[table["series"] == "model"]
        if len(of_model) > 1:
            worst = of_model.loc[of_model["ndcg"].idxmin()]
            lines.append(f"- {name.replace('_', ' ').capitalize()}: worst for {worst['group']}, NDCG@{K} {worst['ndcg']:.3f}.")
    never, lift = 1 - facts.test[f"coverage@{K}"]["model"], facts.test[f"popularity_lift@{K}"]["model"]
    lines.append(f"- {never:.0%} of the movies are in nobody's first {K} places.")
    lines.append(f"- What it shows is {abs(lift):.0%} {'more' if lift > 0 else 'less'} popular than what the same users like.")
    lines.append(
        f"- It cannot recommend a movie that nobody liked in train, nor rank for a user without any liked movie: {facts.n_cold['item']:,} movies "
        f"and {facts.n_cold['user']:,} users of validation and test are such."
    )
    return "\n".join(lines)
