"""The releases, and the layouts of a data set's files."""

import pytest

from movierec.datasets.releases import LAYOUTS, RELEASES, find_layout, title_of
from movierec.utils.errors import UserError

STRAYS = ["interactions.csv.dvc", "interactions.csv.bak", "interactions.csv~", "interactions.md", "._x.inter"]


def test_a_release_has_an_address_and_a_known_layout():
    assert RELEASES["ml-1m"].url == "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
    assert {release.layout for release in RELEASES.values()} == {"100k", "1m", "10m", "csv"} <= set(LAYOUTS)
    assert all(name == release.name for name, release in RELEASES.items())


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ("users.dat movies.dat ratings.dat", "1m"),
        ("movies.dat ratings.dat tags.dat", "10m"),
        ("u.data u.item u.user", "100k"),
        ("movies.csv ratings.csv", "csv"),
        ("x.inter", "recbole"),
        ("x.inter x.item x.user", "recbole"),
        ("interactions.csv", "table"),
        ("interactions.parquet items.csv", "table"),
        ("movies.csv ratings.csv interactions.csv", "csv"),
        ("interactions.csv interactions.md items.csv.dvc", "table"),
    ],
)
def test_a_layout_is_known_by_the_names_of_its_files(tmp_path, files, layout):
    for name in files.split():
        (tmp_path / name).touch()
    assert find_layout(tmp_path) == layout


@pytest.mark.parametrize("files", ["", "movies.csv", "x.txt", "items.csv", "u.data u.item", "x.item x.user", *STRAYS])
def test_files_of_no_layout_are_an_error_with_those_that_are_known(tmp_path, files):
    for name in files.split():
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="known layout") as error:
        find_layout(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path} ")
    assert all(pattern in message for layout in LAYOUTS.values() for pattern in layout.files)


def test_the_title_of_ones_own_data_is_its_folder():
    assert title_of("ml-1m", "data/own") == "MovieLens 1M"
    assert title_of("path", "data/own") == "the data in data/own"
