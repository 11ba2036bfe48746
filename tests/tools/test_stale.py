"""The results whose code or data have changed."""

import pytest
import stale

DEPS = {"movierec/model": "modified", "benchmarks/data/x": "deleted", "movierec/new": "new"}


@pytest.mark.parametrize(
    ("status", "paths"),
    [
        ({}, []),
        ({"benchmarks/dvc.yaml:a": ["frozen"]}, []),
        ({"benchmarks/dvc.yaml:a": [{"changed outs": {"benchmarks/results/a.json": "modified"}}]}, []),
        ({"benchmarks/dvc.yaml:a": [{"changed deps": DEPS}, "changed command"]}, ["movierec/model", "movierec/new"]),
    ],
)
def test_changed_dependencies_are_named_and_missing_data_is_not(status, paths):
    assert stale.modified(status) == paths
