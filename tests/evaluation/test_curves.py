"""The tables behind the line plots."""

import numpy as np
import pandas as pd
import pytest
from small_evaluation import small

from movierec.evaluation.beyond_accuracy import concentration, times_recommended
from movierec.evaluation.curves import all_curves, concentration_curves, cutoff_curves, training_curves
from movierec.interactions.matrix import item_degrees
from movierec.ranking.metrics import DEPTH

LOSSES = {
    "component": ["graph", "graph", "next"],
    "epoch": [1, 2, 1],
    "loss": [3.0, 2, 9],
    "valid_ndcg": [0.1, 0.2, 0.3],
}
EPOCHS = pd.DataFrame(LOSSES)


def test_cutoff_curves_have_the_metrics_at_every_cutoff():
    evaluation = small().evaluation
    curves = cutoff_curves(evaluation)
    assert curves["k"].tolist() == [*range(1, DEPTH + 1)] * 2
    assert curves["series"].tolist() == ["model"] * DEPTH + ["random"] * DEPTH
    for metric in ("ndcg", "recall", "precision"):
        of_random = curves.query("series == 'random'")[metric].tolist()
        assert of_random == pytest.approx([evaluation.means["random"][f"{metric}@{k}"] for k in range(1, DEPTH + 1)])


def test_training_curves_have_the_epochs_of_each_part_beside_the_final_models():
    evaluation = small().evaluation
    loss, validation = training_curves(EPOCHS, evaluation)
    assert loss["series"].tolist() == ["graph part", "graph part", "next-movie part"]
    assert loss["loss"].tolist() == [3, 2, 9]
    assert validation.query("series == 'graph part'")["ndcg"].tolist() == [0.1, 0.2]
    assert validation.query("series == 'next-movie part'")["ndcg"].tolist() == [0.3]
    flat = validation.query("series == 'random'")
    assert flat["epoch"].tolist() == [1, 2]
    assert flat["ndcg"].tolist() == [evaluation.means["random"]["ndcg@20"]] * 2
    assert validation.query("series == 'model'")["ndcg"].tolist() == [1, 1]


def test_concentration_curves_are_of_the_first_20_places_and_of_the_likes():
    evaluation, train, _, _ = small()
    popularity = item_degrees(train)
    curves = concentration_curves(evaluation, popularity)
    counts = {name: times_recommended(of[:, :20], 60) for name, of in evaluation.lists.items()}
    for series, of in (counts | {"likes": popularity}).items():
        movies, share = concentration(of)
        curve = curves[curves["series"] == series]
        assert np.array_equal(curve[["movies", "share"]], np.stack([movies, share], axis=1))
        assert share.max() == pytest.approx(1)


def test_all_curves_are_the_four_tables():
    evaluation, train, _, _ = small()
    popularity = item_degrees(train)
    curves = all_curves(EPOCHS, evaluation, evaluation, popularity)
    loss, validation = training_curves(EPOCHS, evaluation)
    expected = {"loss": loss, "validation": validation, "cutoffs": cutoff_curves(evaluation)}
    expected |= {"concentration": concentration_curves(evaluation, popularity)}
    assert list(curves) == list(expected)
    for name, table in curves.items():
        pd.testing.assert_frame_equal(table, expected[name])
