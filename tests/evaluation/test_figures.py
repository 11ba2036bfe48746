"""The figures, and the map of movies."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from movierec.evaluation.figures import (
    LABELS,
    MARKERS,
    label,
    long_tail_figure,
    map_figure,
    places_on_map,
    training_figure,
)


def test_similar_movies_are_near_each_other_on_the_map():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8, dtype=np.float32)
    vectors = np.repeat(centres, 30, axis=0) + 0.05 * rng.normal(size=(90, 8)).astype(np.float32)
    places = places_on_map(vectors)
    middle = [places[at : at + 30].mean(axis=0) for at in (0, 30, 60)]
    nearest = np.argmin([np.linalg.norm(places - m, axis=1) for m in middle], axis=0)
    assert nearest.tolist() == np.repeat([0, 1, 2], 30).tolist()
    assert np.array_equal(places, places_on_map(vectors))


@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (5, 1), (12, 2)])
def test_few_movies_and_few_dimensions_have_a_map_too(shape):
    places = places_on_map(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert places.shape == (shape[0], 2)
    assert np.isfinite(places).all()


def draw_map(path):
    genres = ["Drama|War", "", "War"]
    years = pd.array([2000, None, 1999], dtype="Int16")
    movies = pd.DataFrame({"Title": ["A $5 film for $3", "B", "C"], "Year": years, "Genres": genres})
    map_figure(np.array([[0.0, 0], [1, 1], [0.5, 0.2]]), movies, path)


def draw_long_tail(path):
    recommended = {"model": np.array([0, 1, 5]), "EASE": np.array([0, 0, 0])}
    long_tail_figure(np.array([0, 3, 9]), recommended, {"model": "x", "EASE": "y"}, path)


LOSS = pd.DataFrame({"epoch": [1, 2, 3], "series": ["graph part"] * 3, "loss": [3.0, 2.0, 1.5]})
NDCG = pd.DataFrame(
    {
        "epoch": [1, 3, 1, 3, 1, 2, 3],
        "series": ["model"] * 2 + ["EASE"] * 2 + ["graph part"] * 3,
        "ndcg": [0.5, 0.5, 0.4, 0.4, 0.1, 0.2, 0.3],
    }
)


def draw_training(path):
    training_figure(LOSS, NDCG, path)


def test_the_training_is_drawn_beside_the_models_that_have_no_epochs(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    draw_training(tmp_path / "training.png")
    loss, ndcg = drawn[0].axes
    assert [line.get_label() for line in ndcg.lines] == ["model  0.5000", "EASE  0.4000", "graph part  0.3000"]
    lines = {line.get_label().split("  ")[0]: line for line in ndcg.lines}
    assert lines["graph part"].get_ydata().tolist() == [0.1, 0.2, 0.3]
    assert [lines[name].get_linestyle() for name in lines] == ["--", "-.", "-"], "no two look the same without colours"
    assert loss.lines[0].get_color() == lines["graph part"].get_color() != lines["EASE"].get_color()
    monkeypatch.undo()
    plt.close(drawn[0])


@pytest.mark.parametrize("draw", [draw_map, draw_long_tail, draw_training])
def test_a_figure_is_drawn_with_the_same_bytes_each_time(draw, tmp_path):
    for name in ("1.png", "2.png"):
        draw(tmp_path / name)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "1.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20, "not blank"
    assert plt.get_fignums() == [], "closed"


def test_titles_on_the_map_do_not_cover_each_other():
    places = np.stack([np.arange(400) % 10, np.arange(400) // 10], axis=1).astype(float)
    places[1] = places[0]
    figure, axes = plt.subplots(figsize=(13, 10))
    axes.scatter(*places.T)
    texts = ["$1 for $2", *[f"t{number}" for number in range(1, 400)]]
    label(axes, places, texts)
    written = [text.get_text() for text in axes.texts]
    assert (len(written), written[:2]) == (LABELS, [r"\$1 for \$2", "t2"]), "in their order; a dollar is no formula"
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(box.overlaps(other) for place, box in enumerate(boxes) for other in boxes[:place])
    plt.close(figure)


def test_each_common_genre_has_a_marker_of_its_own(tmp_path, monkeypatch):
    names = [f"genre {number}" for number in range(len(MARKERS) + 2)]
    genres = ["|".join(names[: number + 1]) for number in range(len(names))]
    movies = pd.DataFrame({"Title": genres, "Year": [2000] * len(names), "Genres": genres})
    drawn = []
    monkeypatch.setattr(plt, "close", lambda figure: drawn.extend(figure.axes[0].collections))
    map_figure(np.random.default_rng(0).random((len(names), 2)), movies, tmp_path / "map.png")
    assert len(drawn) == len({of.get_paths()[0].vertices.tobytes() for of in drawn}) == len(MARKERS)


def test_genres_and_titles_are_no_mathematics_and_all_are_in_the_legend(tmp_path, monkeypatch):
    genres = ["$$", "$", "_x", "a_b^c", "\\frac{"]
    movies = pd.DataFrame({"Title": [f"$ {genre} $" for genre in genres], "Year": [2000] * 5, "Genres": genres})
    shown = []
    monkeypatch.setattr(plt, "close", lambda figure: shown.extend(figure.axes[0].get_legend().get_texts()))
    map_figure(np.random.default_rng(0).random((5, 2)), movies, tmp_path / "map.png")
    assert {text.get_text().strip().replace("\\$", "$") for text in shown} == set(genres)
