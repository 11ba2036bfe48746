"""A table of interactions of one's own: CSV and Parquet, ids of any kind, ratings, weights or neither."""

import contextlib
import io
import json

import pandas as pd
import pytest
from in_memory import clean_folder
from stage_runner import SMALL, run_stage, run_until, set_up

from movierec.errors import UserError
from movierec.movielens import read_folder
from movierec.recommender import Recommender

NUMBERS = {"user": [7, 3, 7], "item": [20, 20, 10], "rating": [5, 3.5, 1], "timestamp": [9, 8, 7]}
TEXTS = {"user": ["bob", "alice", "bob"], "item": ["tea", "tea", "Ärger, 1"], "rating": [5, 3.5, 1], "timestamp": [9, 8, 7]}


@pytest.fixture(params=["csv", "parquet"])
def write(request, tmp_path):
    """Writes tables, column by column, as CSV or Parquet, into a folder."""

    def write_tables(**tables):
        for name, columns in tables.items():
            frame = pd.DataFrame(columns)
            frame.to_csv(tmp_path / f"{name}.csv", index=False) if request.param == "csv" else frame.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path

    write_tables.first = 2 if request.param == "csv" else 1  # line of the first row
    write_tables.kind = request.param
    return write_tables


def values(frame):
    return frame.astype(object).where(frame.notna(), None).values.tolist()


def test_ids_that_are_numbers_stay_what_they_are_and_titles_are_the_ids(write):
    found = clean_folder(write(interactions=NUMBERS), 0)
    assert values(found.ratings) == [[7, 20, 5, 9], [3, 20, 3.5, 8], [7, 10, 1, 7]]
    assert found.ratings.dtypes.astype(str).tolist() == ["int32", "int32", "float32", "int64"]
    assert values(found.users) == [[3, "unknown"], [7, "unknown"]] and list(found.users) == ["UserID", "Gender"]
    assert values(found.movies) == [[10, "10", None, ""], [20, "20", None, ""]] and list(found.movies) == ["MovieID", "Title", "Year", "Genres"]


def test_ids_that_are_text_are_numbered_in_their_order_and_keep_their_names(write):
    found = clean_folder(write(interactions=TEXTS), 0)
    assert values(found.ratings) == [[1, 0, 5, 9], [0, 0, 3.5, 8], [1, 1, 1, 7]]
    assert values(found.users) == [[0, "unknown", "alice"], [1, "unknown", "bob"]]
    assert values(found.movies) == [[0, "tea", None, "", "tea"], [1, "Ärger, 1", None, "", "Ärger, 1"]]


def test_one_id_that_is_no_number_makes_all_of_its_column_text(write):
    found = clean_folder(write(interactions=NUMBERS | {"user": ["7", "x", "10"]}), 0)
    assert found.users["Name"].tolist() == ["10", "7", "x"] and "Name" not in found.movies
    assert values(found.ratings)[0] == [1, 20, 5, 9]


def test_items_have_titles_years_and_genres_and_those_of_no_table_are_set_aside(write):
    items = {"item": ["tea", "cake"], "title": ["Tea (1999)", "Cake"], "genres": ["Hot|Wet", ""], "price": [1, 2]}
    found = clean_folder(write(interactions=TEXTS, items=items))
    assert values(found.movies) == [[0, "Cake", None, "", "cake"], [1, "Tea", 1999, "Hot|Wet", "tea"]]
    assert values(found.rejected) == [["ratings", write.first + 2, "movie not in the movies table", "bob|Ärger, 1|1.0|7" if write.kind == "csv" else "bob|Ärger, 1|1|7"]]
    assert values(found.ratings) == [[1, 1, 5, 9], [0, 1, 3.5, 8]]


@pytest.mark.parametrize("names", [("user_id", "item_id"), ("userId", "movieId"), ("UserID", "MovieID"), ("user", "movie")])
def test_columns_have_the_names_of_other_data_sets_too_in_any_order_and_others_are_left_alone(write, names):
    columns = {"note": ["a", "b", "c"], "timestamp": NUMBERS["timestamp"], names[1]: NUMBERS["item"], names[0]: NUMBERS["user"], "rating": NUMBERS["rating"]}
    assert values(clean_folder(write(interactions=columns), 0).ratings) == [[7, 20, 5, 9], [3, 20, 3.5, 8], [7, 10, 1, 7]]


def test_a_weight_is_any_number_above_0(write):
    weights = ["1", "250", "0.001", "0", "-1", "nan", "inf", "1e3", "x", "1e39"]
    found = clean_folder(write(interactions={"user": range(10), "item": ["a"] * 10, "weight": weights}))
    assert found.ratings["Rating"].tolist() == [1, 250, pytest.approx(0.001), 1000] and found.ratings["Timestamp"].eq(0).all()
    assert found.summary["ratings"]["rejected"] == {"weight is not a number above 0": 6}
    assert found.rejected["line"].tolist() == [write.first + row for row in (3, 4, 5, 6, 8, 9)]


def test_numbers_of_parquet_are_read_as_well_as_text(tmp_path):
    times = pd.to_datetime([9, 8, 7], unit="s")
    pd.DataFrame(NUMBERS | {"weight": [1.5, 1e6, 3], "timestamp": times}).drop(columns="rating").to_parquet(tmp_path / "interactions.parquet")
    assert values(clean_folder(tmp_path, 0).ratings) == [[7, 20, 1.5, 9], [3, 20, 1e6, 8], [7, 10, 3, 7]]


def test_who_says_only_that_they_like_something_likes_it_fully(write):
    found = clean_folder(write(interactions={name: TEXTS[name] for name in ("user", "item")}), 0)
    assert values(found.ratings) == [[1, 0, 5, 0], [0, 0, 5, 0], [1, 1, 5, 0]]


def test_rows_that_make_no_sense_are_set_aside_with_line_and_reason(write):
    rows = [("bob", "tea", "5", "9"), ("", "tea", "5", "9"), ("bob", None, "5", "9"), ("bob", "cake", "5.2", "9"), ("bob", "cake", "5", "soon"),
            ("bob", "cake", "4", ""), ("bob", "tea", "4", "10"), ("eve", "tea", "4", "10.0")]  # fmt: skip
    found = clean_folder(write(interactions=pd.DataFrame(rows, columns=list(TEXTS))), 1)
    reasons = ["the user rated the movie again, later", "UserID is missing", "MovieID is missing", "Rating is not in whole or half stars from 0.5 to 5",
               *["Timestamp is not in seconds from 0 to 4294967296"] * 2]  # fmt: skip
    assert values(found.rejected[["line", "reason"]]) == [[write.first + number, reason] for number, reason in enumerate(reasons)]
    assert found.rejected["row"].tolist()[1:3] == ["|tea|5|9", "bob||5|9"]
    with pytest.raises(UserError, match="5 of 8 rows .62.5%. can't be used, more than max_rejected"):
        clean_folder(write(interactions=pd.DataFrame(rows, columns=list(TEXTS))), 0.5)


def test_small_blocks_give_the_same(write):
    folder = write(interactions=pd.DataFrame({"user": [f"u{n % 9}" for n in range(99)], "item": [f"i{n % 11 - 5}" for n in range(99)], "weight": 1}))
    one, many = clean_folder(folder), clean_folder(folder, block_size=40)
    for whole, parts in zip(one[:4], many[:4]):
        pd.testing.assert_frame_equal(whole, parts)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1], "rating": [5]}, "no column is called 'item'; it has 'user, rating'."),
        ({"user": [1], "userId": [1], "item": [1]}, "its columns user and userId mean the same; leave one in."),
        ({"user": [1], "item": [1], "rating": [5], "weight": [5]}, "it has a rating and a weight; leave one in."),
    ],
)
def test_columns_that_are_not_clear_are_named(write, columns, message):
    folder = write(interactions=columns)
    with pytest.raises(UserError) as error:
        read_folder(folder)
    assert str(error.value) == f"{folder / f'interactions.{write.kind}'}: {message}"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"interactions.parquet": b"PAR1 cut off"}, "interactions.parquet is no Parquet file that can be read"),
        ({"interactions.csv": b"user,item\n", "interactions.parquet": b""}, "must hold one interactions.* file, but holds 2"),
        ({"interactions.parquet": lambda path: pd.DataFrame({"user": [[1]], "item": [1]}).to_parquet(path)}, "interactions.parquet is no Parquet file that can be read"),
        ({"interactions.tsv": b"user\titem\n"}, "interactions.tsv must be interactions.csv or interactions.parquet."),
        ({"interactions.csv": b"user,item\n1,2,3\n"}, "each line must be 2 fields with a comma between them, but none is; line 2 is '1,2,3'."),
        ({"interactions.csv": b"user,item\n"}, "interactions.csv has a header and no rows"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, files, message):
    for name, content in files.items():
        content(tmp_path / name) if callable(content) else (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        clean_folder(tmp_path)
    assert message in str(error.value)


# --- the pipeline --------------------------------------------------------------------------------


def metrics(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "metrics/test").glob("*.json")}


@pytest.fixture(scope="module")
def with_names(small_data, tmp_path_factory):
    """The pipeline over the same data with numbers for ids, and with text in the same order: the two folders."""
    interactions = pd.read_csv(small_data / "ml-100k.inter", sep="\t").set_axis(["user", "item", "rating", "timestamp"], axis=1)
    items = pd.read_csv(small_data / "ml-100k.item", sep="\t").set_axis(["item", "title", "year", "genres"], axis=1)
    items = items.assign(title=items["title"] + " (" + items["year"].astype(str) + ")", genres=items["genres"].fillna("").str.replace(" ", "|"))
    folders = []
    for name in ("numbers", "names"):
        folder = tmp_path_factory.mktemp(name)
        (folder / "own").mkdir()
        for table, frame in (("interactions", interactions), ("items", items)):
            if name == "names":
                ids = {"user": frame.get("user"), "item": frame["item"]}
                frame = frame.assign(**{side: [f"{side}-{number:04}" for number in of] for side, of in ids.items() if of is not None})
            frame.to_parquet(folder / "own" / f"{table}.parquet", index=False)
        set_up(folder, **SMALL | {"data_path": str(folder / "own")})
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            assert run_until(folder, patch) is None
        folders.append(folder)
    return folders


def test_with_text_for_ids_the_metrics_are_those_with_numbers(with_names):
    numbers, names = map(metrics, with_names)
    assert numbers == names and len(numbers) > 10


def test_recommendations_carry_the_ids_that_the_data_have(with_names):
    numbers, names = (pd.read_parquet(folder / "data/recommendations/recommendations.parquet") for folder in with_names)
    assert names["UserID"].tolist() == [f"user-{number:04}" for number in numbers["UserID"]]
    assert names["MovieID"].tolist() == [f"item-{number:04}" for number in numbers["MovieID"]]
    pd.testing.assert_frame_equal(names.drop(columns=["UserID", "MovieID"]), numbers.drop(columns=["UserID", "MovieID"]))


def test_users_and_items_are_asked_for_by_the_ids_that_the_data_have(with_names, monkeypatch, capsys):
    folder = with_names[1]
    recommender = Recommender.load(folder / "models")
    found = recommender.recommend(user_id="user-0042", k=3, because=True)
    assert found["UserID"].tolist() == ["user-0042"] * 3 and all(movie.startswith("item-") for of in found["Because"] for movie, _ in of)
    assert recommender.find("toy story") == "item-0001" and recommender.similar("item-0001", 2)["MovieID"].str.startswith("item-").all()
    assert len(recommender.recommend_new(["item-0001"], k=2)) == 2
    for unknown in ("bob", 42):
        with pytest.raises(UserError, match=f"no user {unknown}: UserIDs go from user-0001 to user-0150"):
            recommender.recommend(user_id=unknown)
    capsys.readouterr()
    assert run_stage("recommend", folder, monkeypatch, ("--user", "user-0042", "--json")) is None
    line = json.loads(capsys.readouterr().out)
    assert line["user_id"] == "user-0042" and line["recommendations"][0]["movie_id"] == found["MovieID"][0]
    assert run_stage("recommend", folder, monkeypatch, ("--user", "bob")).startswith("recommend: no user bob: UserIDs go from user-0001 to user-0150 (")
    assert '"user-0001"' in (folder / "plots/recommendations.html").read_text()


def test_without_times_what_follows_time_is_one_clear_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/interactions.csv").write_text("user,item\n" + "".join(f"u{n % 7},i{n % 11}\n" for n in range(77)))
    set_up(tmp_path, **SMALL | {"data_path": str(tmp_path / "own"), "split_strategy": "leave_one_out"})
    said = "split: split_strategy leave_one_out follows time, but the ratings have none; add a timestamp to each, or set it to random in params.yaml."
    assert run_until(tmp_path, monkeypatch, last="split") == said
    assert not list(tmp_path.glob("**/*partial*"))


def test_weights_without_titles_go_through_the_whole_pipeline(small_data, tmp_path, monkeypatch, capsys):
    (tmp_path / "own").mkdir()
    interactions = pd.read_csv(small_data / "ml-100k.inter", sep="\t").set_axis(["user", "item", "weight", "timestamp"], axis=1)
    interactions.assign(user="u" + interactions["user"].astype(str), weight=10 ** interactions["weight"]).to_csv(tmp_path / "own/interactions.csv", index=False)
    set_up(tmp_path, **SMALL | {"data_path": str(tmp_path / "own"), "min_rating": 1000})
    assert run_until(tmp_path, monkeypatch) is None
    shown = pd.read_csv(tmp_path / "plots/ratings.csv")
    assert shown["rating"].tolist() == [8, 64, 512, 8192, 65536], "weights are counted by powers of two"
    train = pd.read_parquet(tmp_path / "data/split/train.parquet")
    assert train["rating"].min() == 1000 and train["rating"].max() == 100_000
    assert run_stage("recommend", tmp_path, monkeypatch, ("--user", "u7", "--top", "2")) is None and "User u7 has rated" in capsys.readouterr().out
