"""stages/recommend.py by hand and as DVC runs it."""

import pytest
import small_recommender
from stage_runner import run_stage, set_up


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a small model; no DVC around."""
    small_recommender.write_small(set_up(tmp_path, top_k=3) / "models", small_recommender.small())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "by_dvc", "writes"),
    [
        ((), True, True),
        (("--write",), False, True),
        ((), False, False),
        (("--user", "100", "--top", "2"), True, False),
        (("--top", "3"), False, False),
        (("--similar", "film 1", "--json"), False, False),
    ],
)
def test_only_dvc_and_the_option_write_the_table(project, monkeypatch, arguments, by_dvc, writes):
    stopped = run_stage("recommend", project, monkeypatch, arguments, by_dvc=by_dvc)
    assert (project / "data/recommendations/recommendations.parquet").exists() == writes
    assert [path for path in project.iterdir() if path.name not in ("params.yaml", "models", "data")] == []
    assert (stopped is not None) == (arguments in ((), ("--top", "3")) and not writes)


def test_by_hand_without_options_the_ways_are_named(project, monkeypatch):
    line = run_stage("recommend", project, monkeypatch, by_dvc=False)
    assert line.startswith("recommend: ask for someone") and "--write" in line
