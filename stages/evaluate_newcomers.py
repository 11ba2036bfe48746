"""Evaluate the rankings for new users, beside those for the same users when the model was trained on them."""

from pathlib import Path

import _stage

from movierec.evaluation.measure import K, at_test, measure
from movierec.interactions.matrix import Split, to_csr
from movierec.utils.params import knows_valid
from movierec.utils.storage import read_rankings, write_metrics


def main() -> None:
    params = _stage.params()
    shape = tuple(map(len, _stage.read_ids()))
    rankings = read_rankings(Path("data/rankings/newcomers.npz"))
    users = rankings.pop("users")["after_valid"]
    split = Split(*(to_csr(part, *shape)[users] for part in _stage.read_parts(*Split._fields)))
    truth = at_test(split, knows_valid=knows_valid(params), mask="train+valid")
    trained = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))
    known = measure(truth, {name: {"after_valid": trained[name]["after_valid"][users]} for name in rankings})
    new = measure(truth, rankings)
    table = {
        f"{name}@{K}": {model: of[f"{name}@{K}"] for model, of in new.means.items()} for name in ("ndcg", "recall")
    }
    table[f"ndcg@{K}_when_known"] = {model: of[f"ndcg@{K}"] for model, of in known.means.items()}
    write_metrics(table, Path("metrics/newcomers"))
    for model, ndcg in table[f"ndcg@{K}"].items():
        when_known = table[f"ndcg@{K}_when_known"][model]
        print(f"{model:12}  NDCG@{K} for {len(truth.users):,} new users {ndcg:.4f}, when known {when_known:.4f}")


if __name__ == "__main__":
    _stage.run(main)
