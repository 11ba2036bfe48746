"""The tables behind the plots of the data, and the pictures."""

import numpy as np
import pandas as pd
from PIL import Image

from movierec.describing import degree_curves, interactions_by_month, months_of
from movierec.figures import long_tail_figure, map_figure
from movierec.mapping import places_on_map


def test_degrees_fall_with_the_rank():
    curves = degree_curves(np.array([1, 3]), np.array([2, 1, 1]))
    assert curves.query("series == 'users'")[["rank", "ratings"]].to_numpy().tolist() == [[1, 3], [2, 1]]
    assert curves.query("series == 'movies'")["ratings"].tolist() == [2, 1, 1]
    assert len(degree_curves(np.full(5000, 2), np.array([10_000]))) <= 201, "a long curve is thinned out"


def test_months_are_in_utc_and_each_part_counts_its_own():
    parts = {"train": np.array([0, 86400 * 31 - 1, 86400 * 31]), "test": np.array([86400 * 31])}
    table = interactions_by_month({name: months_of(times) for name, times in parts.items()})
    assert table.to_numpy().tolist() == [["1970-01", "train", 2], ["1970-02", "train", 1], ["1970-02", "test", 1]]


def test_alike_movies_are_near_each_other_on_the_map():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8, dtype=np.float32)
    vectors = np.repeat(centres, 30, axis=0) + 0.05 * rng.normal(size=(90, 8)).astype(np.float32)
    places = places_on_map(vectors)
    middle = [places[at : at + 30].mean(axis=0) for at in (0, 30, 60)]
    nearest = np.argmin([np.linalg.norm(places - m, axis=1) for m in middle], axis=0)
    assert nearest.tolist() == np.repeat([0, 1, 2], 30).tolist()
    assert np.array_equal(places, places_on_map(vectors))


def test_few_movies_and_few_dimensions_have_a_map_too():
    for shape in ((1, 1), (3, 8), (5, 1), (12, 2)):
        places = places_on_map(np.random.default_rng(0).normal(size=shape).astype(np.float32))
        assert places.shape == (shape[0], 2) and np.isfinite(places).all()


def test_the_pictures_are_drawn_the_same_each_time(tmp_path):
    movies = pd.DataFrame({"Title": ["A $5 film", "B", "C"], "Year": pd.array([2000, None, 1999], dtype="Int16"), "Genres": ["Drama|War", "", "War"]})
    places = np.array([[0.0, 0], [1, 1], [0.5, 0.2]])
    for name in ("1.png", "2.png"):
        map_figure(places, movies, tmp_path / f"map-{name}")
        long_tail_figure(np.array([0, 3, 9]), {"model": np.array([0, 1, 5]), "EASE": np.array([0, 0, 0])}, {"model": "x", "EASE": "y"}, tmp_path / f"tail-{name}")
    for kind in ("map", "tail"):
        assert (tmp_path / f"{kind}-1.png").read_bytes() == (tmp_path / f"{kind}-2.png").read_bytes()
        pixels = np.asarray(Image.open(tmp_path / f"{kind}-1.png").convert("RGB")).reshape(-1, 3)
        assert len(np.unique(pixels, axis=0)) > 20, "not blank"
