"""Our columns among those of a file, by their names."""

import pytest
from in_memory import write_files

from movierec.data.columns import ITEMS, RATINGS, find_columns
from movierec.data.layouts import read_folder
from movierec.utils.errors import UserError


@pytest.mark.parametrize(
    ("fields", "wanted", "places"),
    [
        (["user", "item"], RATINGS, {"UserID": 0, "MovieID": 1}),
        (["movieId", "userId"], RATINGS, {"MovieID": 0, "UserID": 1}),
        (["User_ID", " ITEM_ID ", "x", "TimeStamp"], RATINGS, {"UserID": 0, "MovieID": 1, "Timestamp": 3}),
        (["user", "movie", "weight"], RATINGS, {"UserID": 0, "MovieID": 1, "Weight": 2}),
        (["item", "genre"], ITEMS, {"MovieID": 0, "Genres": 1}),
        (["reviewerID", "asin", "date", "unixReviewTime"], RATINGS, {"UserID": 0, "MovieID": 1, "Timestamp": 3}),
        (["User-ID", "ISBN", "Book-Rating"], RATINGS, {"UserID": 0, "MovieID": 1, "Rating": 2}),
    ],
)
def test_columns_are_found_under_their_names_in_other_data_sets(fields, wanted, places):
    assert find_columns("x", fields, wanted, {}) == places


def test_columns_are_found_under_the_names_of_the_params():
    fields, names = ["who", "what", "rating", "stars"], {"user": "who", "item": "what", "rating": "stars"}
    assert find_columns("x", fields, RATINGS, names) == {"UserID": 0, "MovieID": 1, "Rating": 3}
    assert find_columns("x", fields, RATINGS, names | {"rating": "none"}) == {"UserID": 0, "MovieID": 1}


@pytest.mark.parametrize(
    ("fields", "wanted", "names", "message"),
    [
        (["user", "rating"], RATINGS, {}, "^x: no column is called 'item'; it has 'user, rating'.* columns.item"),
        (["user", "userId", "item"], RATINGS, {}, "^x: .*user and userId mean the same.* columns.user"),
        (["item", "genre", "genres"], ITEMS, {}, "^x: .*genre and genres mean the same"),
        (["user", "item"], RATINGS, {"rating": "stars"}, "^x: no column is called 'stars', as columns.rating"),
    ],
)
def test_a_missing_or_ambiguous_column_is_named(fields, wanted, names, message):
    with pytest.raises(UserError, match=message):
        find_columns("x", fields, wanted, names)


RATINGS_LIKE = ["stars", "score", "overall", "raiting", "Rate", "ratings"]


@pytest.mark.parametrize("name", [*RATINGS_LIKE, "plays", "play_count", "weigth", "timestmp"])
def test_a_column_that_looks_like_one_of_ours_stops_with_the_way_out(tmp_path, name):
    write_files(tmp_path, {"interactions.csv": f"user,item,{name}\n1,2,3\n"})
    use = "rating" if name in RATINGS_LIKE else "timestamp" if name == "timestmp" else "weight"
    if name == "weigth":
        use = "rating"
    with pytest.raises(
        UserError, match=f"'{name}' may be one; set columns.{use} in params.yaml to '{name}', or to none"
    ):
        read_folder(tmp_path)
    assert read_folder(tmp_path, {use: "none"}).ratings.used == {"user": "user", "item": "item"}
    assert read_folder(tmp_path, {use: name}).ratings.used == {"user": "user", "item": "item", name: use}
