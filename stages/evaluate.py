"""Evaluate the rankings of the model and the baselines: metrics, tables for the plots, and the model card."""

from pathlib import Path

import _stage

from movierec.datasets.releases import title_of
from movierec.evaluation.curves import all_curves
from movierec.evaluation.groups import group_tables
from movierec.evaluation.measure import at_cutoffs, at_test, at_valid, measure, report, summary, uncertainty
from movierec.evaluation.model_card import Facts, model_card
from movierec.interactions.features import gender_features, genre_features
from movierec.interactions.matrix import Split, item_degrees, to_csr
from movierec.utils.params import knows_valid
from movierec.utils.storage import read_csv, read_rankings, read_table, write_csv, write_json, write_metrics, write_text


def main() -> None:
    group = _stage.join("cpu", (params := _stage.params()).processes)
    (user_ids, item_ids), tables = _stage.read_ids(), Split(*_stage.read_parts(*Split._fields))
    split = Split(*(to_csr(part, len(user_ids), len(item_ids)) for part in tables))
    genres = genre_features(read_table(Path("data/clean/movies.parquet")), item_ids)
    rankings = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))
    on_test = measure(at_test(split, knows_valid=knows_valid(params), mask=params.mask), rankings, group)
    evaluations = {"valid": measure(at_valid(split), rankings, group), "test": on_test}
    if not group.leads:
        return
    metrics = {part: summary(of, split.train, genres[0]) for part, of in evaluations.items()}
    gender = gender_features(read_table(Path("data/clean/users.parquet")), user_ids)[on_test.truth.users]
    metrics["test"] |= uncertainty(on_test.ndcg, gender)
    for part in metrics:
        write_metrics(metrics[part], Path(f"metrics/{part}"))
    print(report(metrics, knows_valid=knows_valid(params)))
    write_json(at_cutoffs(evaluations, params.cutoffs), Path("metrics/every_cutoff.json"), decimals=4)
    groups = group_tables(on_test, split.train, gender=gender, genres=genres)
    curves = all_curves(read_csv(Path("models/epochs.csv")), evaluations["valid"], on_test, item_degrees(split.train))
    for name, table in (curves | groups).items():
        write_csv(table, Path(f"plots/evaluation/{name}.csv"))
    facts = {"test": metrics["test"], "groups": groups, "shape": split.train.shape, "n_ranked": len(gender)}
    facts |= {"params": params, "split": tables, "cold": read_table(Path("data/test/cold.parquet"))["kind"]}
    write_text(model_card(Facts(title_of(params.dataset, params.data_path), **facts)), Path("metrics/model_card.md"))


if __name__ == "__main__":
    _stage.run(main)
