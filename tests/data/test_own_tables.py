"""Tables of one's own, from files to recommendations: CSV and Parquet, ids of any kind, ratings, weights or neither."""

import contextlib
import io
import json

import pandas as pd
import pytest
from in_memory import clean_folder, write_files
from stage_runner import SMALL, run_stage, run_until, set_up

from movierec.data.layouts import read_folder
from movierec.data.rules import RATED_AGAIN, STARS_REASON, TIME_REASON, UNKNOWN_MOVIE, WEIGHT_REASON
from movierec.recommend.recommender import Recommender
from movierec.utils.errors import UserError

TIMES = {"rating": [5, 3.5, 1], "timestamp": [9, 8, 7]}
NUMBERS = {"user": [7, 3, 7], "item": [20, 20, 10]} | TIMES
TEXTS = {"user": ["bob", "alice", "bob"], "item": ["tea", "tea", "Ärger, 1"]} | TIMES


def write_tables(folder, kind="parquet", **tables):
    """Write tables, given as columns, into a folder; the folder."""
    folder.mkdir(exist_ok=True)
    for name, columns in tables.items():
        frame, path = pd.DataFrame(columns), folder / f"{name}.{kind}"
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    return folder


@pytest.fixture(params=["csv", "parquet"])
def kind(request):
    return request.param


@pytest.fixture
def write(kind, tmp_path):
    """Writes tables as CSV or Parquet; the folder."""
    return lambda **tables: write_tables(tmp_path, kind, **tables)


@pytest.fixture
def first(kind):
    """The line of a table's first row."""
    return 2 if kind == "csv" else 1


def values(frame):
    return frame.astype(object).where(frame.notna(), None).values.tolist()


def test_ids_that_are_numbers_stay_and_titles_are_the_ids(write):
    tables = clean_folder(write(interactions=NUMBERS), 0)
    assert values(tables.ratings) == [[7, 20, 5, 9], [3, 20, 3.5, 8], [7, 10, 1, 7]]
    assert tables.ratings.dtypes.astype(str).tolist() == ["int32", "int32", "float32", "int64"]
    assert values(tables.users) == [[3, "unknown"], [7, "unknown"]] and list(tables.users) == ["UserID", "Gender"]
    assert values(tables.movies) == [[10, "10", None, ""], [20, "20", None, ""]]
    assert list(tables.movies) == ["MovieID", "Title", "Year", "Genres"]


def test_ids_that_are_text_are_numbered_in_their_order_and_keep_their_names(write):
    tables = clean_folder(write(interactions=TEXTS), 0)
    assert values(tables.ratings) == [[1, 0, 5, 9], [0, 0, 3.5, 8], [1, 1, 1, 7]]
    assert values(tables.users) == [[0, "unknown", "alice"], [1, "unknown", "bob"]]
    assert values(tables.movies) == [[0, "tea", None, "", "tea"], [1, "Ärger, 1", None, "", "Ärger, 1"]]


def test_one_id_that_is_not_a_number_makes_all_of_its_column_text(write):
    tables = clean_folder(write(interactions=NUMBERS | {"user": ["7", "x", "10"]}), 0)
    assert tables.users["Name"].tolist() == ["10", "7", "x"] and "Name" not in tables.movies
    assert values(tables.ratings)[0] == [1, 20, 5, 9]


def test_items_have_titles_years_and_genres_and_ratings_of_others_are_rejected(write, first, kind):
    items = {"item": ["tea", "cake"], "title": ["Tea (1999)", "Cake"], "genres": ["Hot|Wet", ""], "price": [1, 2]}
    tables = clean_folder(write(interactions=TEXTS, items=items))
    assert values(tables.movies) == [[0, "Cake", None, "", "cake"], [1, "Tea", 1999, "Hot|Wet", "tea"]]
    row = "bob|Ärger, 1|1.0|7" if kind == "csv" else "bob|Ärger, 1|1|7"
    assert values(tables.rejected) == [["ratings", first + 2, UNKNOWN_MOVIE, row]]
    assert values(tables.ratings) == [[1, 1, 5, 9], [0, 1, 3.5, 8]]


NAMES = [("user_id", "item_id"), ("userId", "movieId"), ("UserID", "MovieID"), ("user", "movie")]


@pytest.mark.parametrize(("user", "item"), NAMES)
def test_columns_have_any_order_and_the_names_of_other_data_sets(write, user, item):
    columns = {"note": ["a", "b", "c"], item: NUMBERS["item"], user: NUMBERS["user"]} | dict(reversed(TIMES.items()))
    assert values(clean_folder(write(interactions=columns), 0).ratings) == [
        [7, 20, 5, 9],
        [3, 20, 3.5, 8],
        [7, 10, 1, 7],
    ]


def test_a_weight_is_any_number_above_0(write, first):
    weights = ["1", "250", "0.001", "0", "-1", "nan", "inf", "1e3", "x", "1e39"]
    tables = clean_folder(write(interactions={"user": range(10), "item": ["a"] * 10, "weight": weights}))
    assert tables.ratings["Rating"].tolist() == [1, 250, pytest.approx(0.001), 1000]
    assert tables.ratings["Timestamp"].eq(0).all()
    assert tables.summary["ratings"]["rejected"] == {WEIGHT_REASON: 6}
    assert tables.rejected["line"].tolist() == [first + row for row in (3, 4, 5, 6, 8, 9)]


def test_numbers_and_times_of_parquet_are_read_as_well_as_text(tmp_path):
    columns = NUMBERS | {"weight": [1.5, 1e6, 3], "timestamp": pd.to_datetime([9, 8, 7], unit="s")}
    folder = write_tables(tmp_path, interactions=pd.DataFrame(columns).drop(columns="rating"))
    assert values(clean_folder(folder, 0).ratings) == [[7, 20, 1.5, 9], [3, 20, 1e6, 8], [7, 10, 3, 7]]


def test_an_interaction_without_a_rating_counts_as_the_best_one(write):
    tables = clean_folder(write(interactions={name: TEXTS[name] for name in ("user", "item")}), 0)
    assert values(tables.ratings) == [[1, 0, 5, 0], [0, 0, 5, 0], [1, 1, 5, 0]]


BAD_ROWS = [
    (("bob", "tea", "5", "9"), RATED_AGAIN),
    (("", "tea", "5", "9"), "UserID is missing"),
    (("bob", None, "5", "9"), "MovieID is missing"),
    ((" ", "tea", "5", "9"), "UserID is missing"),
    (("bob", "cake", "5.2", "9"), STARS_REASON),
    (("bob", "cake", "5", "soon"), TIME_REASON),
    (("bob", "cake", "4", ""), TIME_REASON),
]


def test_bad_rows_are_rejected_with_line_and_reason(write, first):
    rows = [*(row for row, _ in BAD_ROWS), ("bob", "tea", "4", "10"), ("eve", "tea", "4", "10.0")]
    folder = write(interactions=pd.DataFrame(rows, columns=list(TEXTS)))
    tables = clean_folder(folder)
    expected = [[line, reason] for line, (_, reason) in enumerate(BAD_ROWS, first)]
    assert values(tables.rejected[["line", "reason"]]) == expected
    assert tables.rejected["row"].tolist()[1:3] == ["|tea|5|9", "bob||5|9"]
    with pytest.raises(UserError, match=r"6 of 9 rows \(66.7%\) .*max_rejected"):
        clean_folder(folder, 0.5)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1], "rating": [5]}, "no column is called 'item'; it has 'user, rating'"),
        ({"user": [1], "userId": [1], "item": [1]}, "user and userId mean the same; leave one in"),
        ({"user": [1], "item": [1], "rating": [5], "weight": [5]}, "a rating and a weight; leave one in"),
    ],
)
def test_columns_that_are_not_clear_are_named(write, kind, columns, message):
    folder = write(interactions=columns)
    with pytest.raises(UserError, match=f"^{folder / f'interactions.{kind}'}: .*{message}"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user,item\n1,2,3\n", "each line must be 2 fields .* a comma, .* line 2 is '1,2,3'"),
        (b"user,item\n", "interactions.csv has a header and no rows"),
        (b"user,item," + b"a" * 2**25 + b"\n1,2,3\n", "line 1: longer than 16,777,216 bytes"),
    ],
)
def test_a_file_without_valid_rows_is_named(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        clean_folder(write_files(tmp_path, {"interactions.csv": content}))


def test_a_column_of_lists_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"interactions\.parquet: column user is list<.*int64>; make it text"):
        clean_folder(write_tables(tmp_path, interactions={"user": [[1]], "item": [1]}))


# --- the pipeline --------------------------------------------------------------------------------


def read_tables(folder):
    """Interactions and items of MovieLens 100K with our columns."""
    columns = ["user", "item", "rating", "timestamp"]
    interactions = pd.read_csv(folder / "ml-100k.inter", sep="\t").set_axis(columns, axis=1)
    items = pd.read_csv(folder / "ml-100k.item", sep="\t").set_axis(["item", "title", "year", "genres"], axis=1)
    titles = items["title"] + " (" + items["year"].astype(str) + ")"
    return interactions, items.assign(title=titles, genres=items["genres"].fillna("").str.replace(" ", "|"))


@pytest.fixture(scope="module")
def with_names(small_data, tmp_path_factory):
    """The folders of two runs, with numbers as ids and with texts in the same order."""
    folders = []
    for name in ("numbers", "names"):
        interactions, items = read_tables(small_data)
        if name == "names":
            for side in ("user", "item"):
                for frame in (interactions, items):
                    if side in frame:
                        frame[side] = [f"{side}-{number:04}" for number in frame[side]]
        folder = tmp_path_factory.mktemp(name)
        write_tables(folder / "own", interactions=interactions, items=items)
        set_up(folder, **SMALL | {"data_path": str(folder / "own")})
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            assert run_until(folder, patch) is None
        folders.append(folder)
    return folders


def test_ids_that_are_text_change_no_metric(with_names):
    def metrics(folder):
        return {path.stem: json.loads(path.read_text()) for path in (folder / "metrics/test").glob("*.json")}

    numbers, names = map(metrics, with_names)
    assert numbers == names and len(numbers) > 10


def test_recommendations_have_the_ids_of_the_data(with_names):
    numbers, names = (pd.read_parquet(folder / "data/recommendations/recommendations.parquet") for folder in with_names)
    assert names["UserID"].tolist() == [f"user-{number:04}" for number in numbers["UserID"]]
    assert names["MovieID"].tolist() == [f"item-{number:04}" for number in numbers["MovieID"]]
    ids = ["UserID", "MovieID"]
    pd.testing.assert_frame_equal(names.drop(columns=ids), numbers.drop(columns=ids))


def test_the_recommender_takes_and_gives_the_ids_of_the_data(with_names):
    recommender = Recommender.load(with_names[1] / "models")
    found = recommender.recommend(user_id="user-0042", k=3, because=True)
    assert found["UserID"].tolist() == ["user-0042"] * 3
    assert all(movie.startswith("item-") for reasons in found["Because"] for movie, _ in reasons)
    assert recommender.find("toy story") == "item-0001"
    assert recommender.similar("item-0001", 2)["MovieID"].str.startswith("item-").all()
    assert len(recommender.recommend_new(["item-0001"], k=2)) == 2
    for unknown in ("bob", 42):
        with pytest.raises(UserError, match=f"no user {unknown}: UserIDs go from user-0001 to user-0150"):
            recommender.recommend(user_id=unknown)


def test_the_command_line_and_the_page_have_the_ids_of_the_data(with_names, monkeypatch, capsys):
    folder = with_names[1]
    recommendations = Recommender.load(folder / "models").recommend(user_id="user-0042", k=1)
    assert run_stage("recommend", folder, monkeypatch, ("--user", "user-0042", "--json")) is None
    line = json.loads(capsys.readouterr().out)
    assert line["user_id"] == "user-0042"
    assert line["recommendations"][0]["movie_id"] == recommendations["MovieID"][0]
    message = run_stage("recommend", folder, monkeypatch, ("--user", "bob"))
    assert message.startswith("recommend: no user bob: UserIDs go from user-0001 to user-0150 (")
    assert '"user-0001"' in (folder / "plots/recommendations.html").read_text()


def test_a_split_by_time_without_times_stops_with_one_line(tmp_path, monkeypatch):
    pairs = pd.DataFrame({"user": [f"u{n % 7}" for n in range(77)], "item": [f"i{n % 11}" for n in range(77)]})
    write_tables(tmp_path / "own", "csv", interactions=pairs)
    set_up(tmp_path, **SMALL | {"data_path": str(tmp_path / "own"), "split_strategy": "leave_one_out"})
    message = run_until(tmp_path, monkeypatch, last="split")
    assert message.startswith("split: split_strategy leave_one_out follows time, but the ratings have none; ")
    assert "add a timestamp" in message and "random in params.yaml" in message and "\n" not in message
    assert not list(tmp_path.glob("**/*partial*"))


def test_weights_without_titles_go_through_the_whole_pipeline(small_data, tmp_path, monkeypatch, capsys):
    interactions, _ = read_tables(small_data)
    interactions = interactions.rename(columns={"rating": "weight"})
    users, weights = "u" + interactions["user"].astype(str), 10 ** interactions["weight"]
    write_tables(tmp_path / "own", "csv", interactions=interactions.assign(user=users, weight=weights))
    set_up(tmp_path, **SMALL | {"data_path": str(tmp_path / "own"), "min_rating": 1000})
    assert run_until(tmp_path, monkeypatch) is None
    counts = pd.read_csv(tmp_path / "plots/data/ratings.csv")
    assert counts["rating"].tolist() == [8, 64, 512, 8192, 65536], "weights are counted by powers of two"
    train = pd.read_parquet(tmp_path / "data/split/train.parquet")
    assert train["rating"].min() == 1000 and train["rating"].max() == 100_000
    capsys.readouterr()
    assert run_stage("recommend", tmp_path, monkeypatch, ("--user", "u7", "--top", "2")) is None
    assert "User u7 has rated" in capsys.readouterr().out
