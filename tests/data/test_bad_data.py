"""Bad data in every layout: each row is kept or listed with its line and reason, or one error names the file."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from in_memory import clean_folder, write_files
from stage_runner import run_stage, run_until, set_up

from movierec.data.layouts import read_folder
from movierec.data.rules import RATED_AGAIN, STARS_REASON, TIME_REASON, UNKNOWN_MOVIE, UNKNOWN_USER
from movierec.datasets.download import extract
from movierec.utils.errors import UserError

ID = "is not a whole number from 0 to 2147483647"
FLAGS = "|".join("0" * 19)  # genres of ml-100k

GOOD = {
    "1m": {
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "movies.dat": "10::Heat (1995)::Action|Crime\n20::Ran (1985)::Drama\n",
        "ratings.dat": "1::10::5::978300760\n2::20::3::978300761\n",
    },
    "10m": {
        "movies.dat": "10::Heat (1995)::Action|Crime\n20::Ran (1985)::Drama\n",
        "ratings.dat": "1::10::5::978300760\n2::20::3::978300761\n",
    },
    "100k": {
        "u.user": "1|24|F|writer|85711\n2|53|M|other|94043\n",
        "u.item": f"10|Heat (1995)|x||y|{FLAGS}\n20|Ran (1985)|x||y|{FLAGS}\n",
        "u.data": "1\t10\t5\t978300760\n2\t20\t3\t978300761\n",
    },
    "csv": {
        "movies.csv": "movieId,title,genres\n10,Heat (1995),Action|Crime\n20,Ran (1985),Drama\n",
        "ratings.csv": "userId,movieId,rating,timestamp\n1,10,5.0,978300760\n2,20,3.0,978300761\n",
    },
    "recbole": {
        "x.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "10\tHeat\t1995\tAction Crime\n20\tRan\t1985\tDrama\n",
        "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t10\t5\t978300760\n2\t20\t3\t978300761\n",
    },
}
RATINGS = {"1m": "ratings.dat", "10m": "ratings.dat", "100k": "u.data", "csv": "ratings.csv", "recbole": "x.inter"}
MOVIES = {"1m": "movies.dat", "10m": "movies.dat", "100k": "u.item", "csv": "movies.csv", "recbole": "x.item"}
SEPARATOR = {"1m": "::", "10m": "::", "100k": "\t", "csv": ",", "recbole": "\t"}
SHOWN = {"1m": "'::'", "10m": "'::'", "100k": "a tab", "csv": "a comma", "recbole": "a tab"}
WITH_HEADER = ("csv", "recbole")
EXPECTED = [[1, 10, 5, 978300760], [2, 20, 3, 978300761]]

each_layout = pytest.mark.parametrize("layout", GOOD)


def cleaned(folder, files, max_rejected=1.0):
    return clean_folder(write_files(folder, files), max_rejected)


def rejected(tables):
    return list(tables.rejected[["table", "line", "reason"]].itertuples(index=False, name=None))


def line_of(layout, *fields):
    return SEPARATOR[layout].join(fields) + "\n"


def more(layout, *rows):
    """The good files with more ratings."""
    name = RATINGS[layout]
    return GOOD[layout] | {name: GOOD[layout][name] + "".join(line_of(layout, *fields) for fields in rows)}


@each_layout
def test_good_files_are_kept_whole(tmp_path, layout):
    tables = cleaned(tmp_path, GOOD[layout], max_rejected=0)
    assert tables.ratings.values.tolist() == EXPECTED and not len(tables.rejected)
    assert tables.movies[["MovieID", "Title", "Year"]].values.tolist() == [[10, "Heat", 1995], [20, "Ran", 1985]]


BAD_RATINGS = [
    (("1", "20", "5"), "not 4 fields"),
    (("1", "20", "5", "9", "9"), "not 4 fields"),
    (("1", "20", "5", ""), TIME_REASON),
    (("one", "20", "5", "9"), f"UserID {ID}"),
    (("-1", "20", "5", "9"), f"UserID {ID}"),
    (("18446744073709551616", "20", "5", "9"), f"UserID {ID}"),
    (("2147483648", "20", "5", "9"), f"UserID {ID}"),
    (("1", "2e1", "5", "9"), f"MovieID {ID}"),
    (("1", "٢٠", "5", "9"), f"MovieID {ID}"),
    (("1", "20", "0", "9"), STARS_REASON),
    (("1", "20", "5.5", "9"), STARS_REASON),
    (("1", "20", "3.7", "9"), STARS_REASON),
    (("1", "20", "NaN", "9"), STARS_REASON),
    (("1", "20", "inf", "9"), STARS_REASON),
    (("1", "20", "", "9"), STARS_REASON),
    (("1", "20", "5", "-1"), TIME_REASON),
    (("1", "20", "5", "978300760000"), TIME_REASON),
    (("1", "20", "5", "9.5"), TIME_REASON),
    (("1", "20", "5", "2000-12-31"), TIME_REASON),
    (("1", "30", "5", "9"), UNKNOWN_MOVIE),
    (("1", "10", "4", "978300760"), RATED_AGAIN),
    (("1", "10", "5", "978300759"), RATED_AGAIN),
]


@each_layout
def test_bad_ratings_are_rejected_each_with_its_line_and_reason(tmp_path, layout):
    # In RecBole's files, any text is a token, and a time may be a date.
    fine = [row for row in BAD_RATINGS if row[1].endswith(ID) or "2000-12-31" in row[0]] if layout == "recbole" else []
    bad_rows = [row for row in BAD_RATINGS if row not in fine]
    tables = cleaned(tmp_path, more(layout, *(fields for fields, _ in bad_rows)))
    first = 3 + (layout in WITH_HEADER)
    assert rejected(tables) == [("ratings", line, reason) for line, (_, reason) in enumerate(bad_rows, first)]
    assert tables.ratings.values.tolist() == EXPECTED
    reasons = [reason for _, reason in bad_rows]
    counts = {reason: reasons.count(reason) for reason in reasons}
    assert tables.summary["ratings"] == {"read": 2 + len(bad_rows), "kept": 2, "rejected": counts}


@pytest.mark.parametrize("layout", ["1m", "100k"])
def test_a_rating_of_an_unknown_user_is_rejected(tmp_path, layout):
    assert rejected(cleaned(tmp_path, more(layout, ("3", "20", "5", "9")))) == [("ratings", 3, UNKNOWN_USER)]


@each_layout
def test_half_stars_and_later_ratings_are_valid(tmp_path, layout):
    tables = cleaned(tmp_path, more(layout, ("1", "20", "0.5", "0"), ("1", "10", "4.5", "978300999")))
    assert tables.ratings.values.tolist() == [[2, 20, 3, 978300761], [1, 20, 0.5, 0], [1, 10, 4.5, 978300999]]
    # A superseded rating is no fault of the file.
    assert len(cleaned(tmp_path, more(layout, ("1", "10", "4.5", "978300999")), max_rejected=0).ratings) == 2


@each_layout
def test_a_file_cut_off_in_mid_line_loses_that_line(tmp_path, layout):
    text = GOOD[layout][RATINGS[layout]]
    cut = text[: text.rindex(SEPARATOR[layout])]
    tables = cleaned(tmp_path, GOOD[layout] | {RATINGS[layout]: cut})
    assert rejected(tables) == [("ratings", len(text.splitlines()), "not 4 fields")] and len(tables.ratings) == 1


CHANGES = {
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "old Macs": lambda text: text.replace("\n", "\r"),
    "byte-order mark": lambda text: "\ufeff" + text,
    "blank lines at the end": lambda text: text + "\n\n",
    "no line end at the end": str.rstrip,
}


@each_layout
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, layout, change):
    tables = cleaned(tmp_path, {name: change(text) for name, text in GOOD[layout].items()}, max_rejected=0)
    assert tables.ratings.values.tolist() == EXPECTED and len(tables.movies) == 2


NO_TEXT = {
    b"": " is empty",
    b"\xef\xbb\xbf\n \n": " is empty",
    "Heat".encode("utf-16"): ", line 1: .* UTF-16; save it as UTF-8",
}


@each_layout
@pytest.mark.parametrize(("content", "message"), NO_TEXT.items(), ids=["empty", "blank", "UTF-16"])
def test_a_file_without_text_is_named(tmp_path, layout, content, message):
    for name in (RATINGS[layout], MOVIES[layout]):
        with pytest.raises(UserError, match=f"^{tmp_path / name}{message}"):
            cleaned(tmp_path, GOOD[layout] | {name: content})


@each_layout
def test_another_separator_is_named_with_the_right_one(tmp_path, layout):
    name = RATINGS[layout]
    lines = GOOD[layout][name].splitlines(keepends=True)
    at = layout in WITH_HEADER
    lines[at:] = [line.replace(SEPARATOR[layout], ";") for line in lines[at:]]
    message = f"^{tmp_path / name}: .* 4 fields .* {SHOWN[layout]}.* line {1 + at} is '{lines[at].strip()}'"
    with pytest.raises(UserError, match=message):
        cleaned(tmp_path, GOOD[layout] | {name: "".join(lines)})


@pytest.mark.parametrize("layout", ["1m", "10m", "100k"])
def test_a_header_where_there_is_none_is_one_rejected_row(tmp_path, layout):
    name = RATINGS[layout]
    header = line_of(layout, "UserID", "MovieID", "Rating", "Timestamp")
    assert rejected(cleaned(tmp_path, GOOD[layout] | {name: header + GOOD[layout][name]})) == [
        ("ratings", 1, f"UserID {ID}")
    ]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("csv", "must be 'userId,movieId,rating,timestamp', but it is '1,10,5.0,978300760'"),
        ("recbole", "no column is called 'user'; it has '1, 10, 5, 978300760'"),
    ],
)
def test_a_missing_header_is_named(tmp_path, layout, message):
    name = RATINGS[layout]
    with pytest.raises(UserError, match=f"^{tmp_path / name}, line 1: .*{message}"):
        read_folder(write_files(tmp_path, GOOD[layout] | {name: GOOD[layout][name].split("\n", 1)[1]}))


@pytest.mark.parametrize("layout", WITH_HEADER)
def test_a_header_alone_is_named(tmp_path, layout):
    name = RATINGS[layout]
    with pytest.raises(UserError, match=f"^{tmp_path / name} has a header and no rows"):
        cleaned(tmp_path, GOOD[layout] | {name: GOOD[layout][name].split("\n", 1)[0] + "\n"})


@each_layout
def test_utf_8_is_read_where_latin_1_is_expected_and_the_reverse_is_named(tmp_path, layout):
    name = MOVIES[layout]
    text = GOOD[layout][name].replace("Ran", "Misérables, Les")
    text = text.replace("20,Misérables, Les (1985)", '20,"Misérables, Les (1985)"')
    titles = ["Heat", "Les Misérables"]
    assert cleaned(tmp_path, GOOD[layout] | {name: text}).movies["Title"].tolist() == titles
    latin = GOOD[layout] | {name: text.encode("latin-1")}
    if layout in ("1m", "100k"):
        assert cleaned(tmp_path, latin).movies["Title"].tolist() == titles
    else:
        line = 2 + (layout in WITH_HEADER)
        with pytest.raises(UserError, match=f"^{tmp_path / name}, line {line}: not utf-8 text"):
            cleaned(tmp_path, latin)


@pytest.mark.parametrize(("layout", "name"), [(layout, name) for layout, files in GOOD.items() for name in files])
def test_without_one_of_its_files_a_layout_is_another_or_unknown(tmp_path, layout, name):
    write_files(tmp_path, {other: text for other, text in GOOD[layout].items() if other != name})
    if name in ("users.dat", "x.item"):
        assert len(clean_folder(tmp_path).ratings) == 2
    else:
        with pytest.raises(UserError, match=f"^{tmp_path} .* 1m: users.dat, movies.dat, ratings.dat; "):
            read_folder(tmp_path)


@pytest.mark.parametrize(
    ("layout", "line", "title", "year", "genres"),
    [
        ("1m", '30::"Heat" (1995)::', '"Heat"', 1995, ""),
        ("1m", "30::Heat: a, b; c | d\te::Drama", "Heat: a, b; c | d e", None, "Drama"),
        ("csv", '30,"A ""b"", c",(no genres listed)', 'A "b", c', None, ""),
        ("csv", "30,東京物語 (1953),Drama", "東京物語", 1953, "Drama"),
        ("csv", "30,=cmd|' /C calc'!A0 (2000),Drama", "=cmd|' /C calc'!A0", 2000, "Drama"),
        ("recbole", "30\t“Q” <b>\t\t", "“Q” <b>", None, ""),
        ("recbole", "30\tQ\t١٩٩٥\tunknown", "Q", None, ""),
    ],
)
def test_titles_may_hold_anything_and_lack_year_or_genres(tmp_path, layout, line, title, year, genres):
    name = MOVIES[layout]
    movie = cleaned(tmp_path, GOOD[layout] | {name: f"{GOOD[layout][name]}{line}\n"}, max_rejected=0).movies.iloc[2]
    assert (movie["Title"], movie["Genres"]) == (title, genres)
    assert movie["Year"] is pd.NA if year is None else movie["Year"] == year


@pytest.mark.parametrize(("layout", "line"), [("1m", "30::A::B (2000)::Drama"), ("csv", "30,A,B,Drama")])
def test_a_title_with_the_separator_is_rejected_with_its_text(tmp_path, layout, line):
    name = MOVIES[layout]
    text = f"{GOOD[layout][name]}{line}\n{line_of(layout, '40', 'B', 'Drama')}"
    tables = cleaned(tmp_path, GOOD[layout] | {name: text})
    assert tables.rejected.values.tolist() == [["movies", 3 + (layout == "csv"), "not 3 fields", line]]
    assert tables.movies["MovieID"].tolist() == [10, 20, 40]


@pytest.mark.parametrize(
    ("line", "message"),
    [('30,"A,Drama', "a quote is not closed"), ('30,"A" B,Drama', "not valid CSV .*; fix the record")],
)
def test_a_quote_that_is_not_closed_is_an_error_with_the_line_where_it_opens(tmp_path, line, message):
    movies = f"{GOOD['csv']['movies.csv']}{line}\n40,B,Drama\n"
    with pytest.raises(UserError, match=f"^{tmp_path}/movies.csv, line 4: {message}"):
        cleaned(tmp_path, GOOD["csv"] | {"movies.csv": movies})


def test_too_many_bad_rows_are_an_error_with_each_reason_and_its_first_line(tmp_path):
    files = more("1m", ("1", "20", "9", "9"), ("1", "20"), ("2", "10", "8", "9"))
    assert len(cleaned(tmp_path, files, max_rejected=0.6).ratings) == 2
    with pytest.raises(UserError) as error:
        cleaned(tmp_path, files, max_rejected=0.5)
    assert str(error.value) == (
        f"{tmp_path}/ratings.dat: 3 of 5 rows (60.0%) can't be used, more than max_rejected in params.yaml (0.5) "
        f"allows: 2 {STARS_REASON} (line 3: '1|20|9|9'); 1 not 4 fields (line 4: '1::20'). "
        "Fix the file, or raise max_rejected."
    )


# --- whole stages --------------------------------------------------------------------------------

TINY = {"dataset": "path", "embedding_dim": 8, "epochs": 2, "top_k": 1}
TINY |= {"ease": {"lambdas": [50]}, "next": {"epochs": 1, "dim": 8, "hidden": 8}}


def set_up_with(folder, ratings, **params):
    """A project whose data set, in the layout of ml-10m, has these ratings (user, movie, stars, time)."""
    (folder / "own").mkdir()
    movies = "".join(f"{movie}::Film {movie} (2000)::Drama\n" for movie in sorted({movie for _, movie, *_ in ratings}))
    lines = "".join("::".join(map(str, fields)) + "\n" for fields in ratings)
    write_files(folder / "own", {"movies.dat": movies, "ratings.dat": lines})
    return set_up(folder, **TINY | {"data_path": str(folder / "own")} | params)


def dense(n_users, n_movies):
    """Ratings of nearly all movies by all users, at different times."""
    rng = np.random.default_rng(0)
    pairs = [(user, movie) for user in range(n_users) for movie in range(n_movies)]
    return [(*pair, rng.integers(3, 6), rng.integers(10**6)) for pair in pairs if rng.random() < 0.8]


NO_VALID = "with valid_fraction 0.1 and test_fraction 0.2 leaves no interaction in valid, out of"
BY_TIME, LAST_ONE = {"split_strategy": "global_temporal"}, {"split_strategy": "leave_one_out"}


@pytest.mark.parametrize(
    ("ratings", "params", "message"),
    [
        ([(1, 1, 5, 1)], {}, f"split: random {NO_VALID} 1; change the fractions in params.yaml"),
        ([(1, 1, 5, 1)], LAST_ONE, "split: leave_one_out leaves no interaction in valid, out of 1; .* split_strategy"),
        (dense(1, 20), {}, "check: only 1 users and 16 movies .*2 are needed"),
        (dense(20, 1), {}, f"split: random {NO_VALID} 16;"),
        ([(user, user, 5, user) for user in range(50)], {}, f"split: random {NO_VALID} 50;"),
        ([(user, user % 9, 5, user) for user in range(50)], BY_TIME,
         "split: global_temporal leaves no user of validation .* the split_strategy or the fractions in params.yaml"),
        ([(1, 1, 1, 1), (2, 2, 2, 2)], {}, r"split: .* min_rating 3 and k_core 1 \(of 2\).*params.yaml"),
        (dense(9, 9), {"k_core": 10}, r"split: no rating is left .* k_core 10 \(of 62\)"),
        (dense(9, 20), {"top_k": 21}, "check: params.yaml: top_k is 21, but only 20 movies"),
    ],
)  # fmt: skip
def test_too_little_data_stops_the_pipeline_with_one_line_before_training(
    tmp_path, monkeypatch, ratings, params, message
):
    set_up_with(tmp_path, ratings, **params)
    stopped = run_until(tmp_path, monkeypatch, last="check")
    assert re.match(message, stopped) and "\n" not in stopped
    assert not list(tmp_path.glob("**/*partial*"))


@pytest.mark.parametrize("strategy", ["random", "leave_one_out"])
def test_a_data_set_of_a_dozen_users_runs_through(tmp_path, monkeypatch, strategy):
    set_up_with(tmp_path, dense(12, 14), split_strategy=strategy)
    assert run_until(tmp_path, monkeypatch) is None
    assert (tmp_path / "plots/recommendations.html").exists()


def test_users_who_have_seen_every_movie_get_no_recommendations(tmp_path, monkeypatch):
    set_up_with(tmp_path, [(user, movie, 5, 100 * movie + user) for user in range(9) for movie in range(8)], **BY_TIME)
    assert run_until(tmp_path, monkeypatch) is None
    assert not len(pd.read_parquet(tmp_path / "data/recommendations/recommendations.parquet"))
    assert (tmp_path / "plots/recommendations.html").exists()


@pytest.mark.parametrize("strategy", ["random", "user_temporal", "leave_one_out"])
def test_a_users_only_rating_stays_in_train(tmp_path, monkeypatch, strategy):
    ratings = [(0, 1, 5, 1), *((user + 1, *rest) for user, *rest in dense(5, 20))]
    set_up_with(tmp_path, ratings, split_strategy=strategy, valid_fraction=0.2, test_fraction=0.5)
    assert run_until(tmp_path, monkeypatch, last="split") is None
    paths = ("split/train", "split/valid", "test/test")
    train, *others = (set(pd.read_parquet(tmp_path / f"data/{path}.parquet")["user"]) for path in paths)
    assert train == set(range(6)) and not any(0 in users for users in others)


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("split", "data/clean/ratings.parquet"),
        ("check", "data/split/users.parquet"),
        ("train", "data/graph/graph.npz"),
        ("recommend", "models/model.npz"),
    ],
)
def test_a_missing_or_broken_input_of_a_stage_is_named_and_nothing_is_left(tmp_path, monkeypatch, stage, file):
    set_up(tmp_path, **TINY)
    assert run_stage(stage, tmp_path, monkeypatch) == f"{stage}: {file} is missing; `dvc repro` makes it."
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(b"PK cut off")
    message = run_stage(stage, tmp_path, monkeypatch)
    assert message.startswith(f"{stage}: {file} cannot be read (") and message.endswith(
        "; delete it and run `dvc repro`."
    )
    assert {path.name for path in tmp_path.glob("**/*") if path.is_file()} == {"params.yaml", Path(file).name}


# --- any content (`make fuzz` runs these for longer) ---------------------------------------------

# Texts that are likely to pass the first checks and fail later ones.
LIKELY = ["1", "10", "20", "5", "0.5", "978300760", "Heat (1995)", "Drama|War", "F", "", "NaN", "-1", '"', '""']
LIKELY += ["é", "\x1f", "\x85", "９", "9" * 30]
OWN = {
    "items.csv": "item,title,genres\n10,Heat,Crime\nx,,\n",
    "interactions.csv": "user,item,weight\n1,10,5\na,x,0.1\n",
}
FILES = GOOD | {"own": OWN}
LINES = st.lists(st.lists(st.one_of(st.sampled_from(LIKELY), st.text(max_size=6)), max_size=6), max_size=6)


@st.composite
def any_files(draw, layout):
    """The good files of a layout with some of them extended, replaced or damaged."""
    files = {name: text.encode() for name, text in FILES[layout].items()}
    for name in draw(st.sets(st.sampled_from(sorted(files)), min_size=1)):
        if draw(st.booleans()):
            separator = draw(st.sampled_from(["::", "|", "\t", ","]))
            lines = [separator.join(fields) for fields in draw(LINES)]
            files[name] += draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines).encode()
        elif draw(st.booleans()):
            files[name] = draw(st.binary(max_size=60))
        else:
            at = draw(st.integers(0, 80))
            files[name] = files[name][:at] + files[name][at + 1 :]
    return files


@pytest.mark.parametrize("layout", FILES)
@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_any_files_give_kept_and_listed_rows_or_one_error(tmp_path_factory, layout, data):
    try:
        tables = cleaned(tmp_path_factory.mktemp("any"), data.draw(any_files(layout)))
    except UserError as error:
        assert "\n" not in str(error)
        return
    for table, summary in tables.summary.items():
        listed = tables.rejected[tables.rejected["table"] == table]
        assert len(listed) == sum(summary["rejected"].values()) == summary["read"] - summary["kept"]
        assert listed["line"].is_monotonic_increasing and listed["line"].is_unique
    assert len(tables.ratings) == tables.summary["ratings"]["kept"]
    assert set(tables.ratings["MovieID"]) <= set(tables.movies["MovieID"])
    assert set(tables.ratings["UserID"]) <= set(tables.users["UserID"])


@given(content=st.binary(max_size=200))
@example(content=b"\x08" + bytes(19) + b"\x01\x00")  # a name that is not UTF-8
@example(content=b"\x00\x00\x00\x00\x00\xa0\x00\x00\x00\x00\x01\x01\x01\n")  # a name with a line end
@example(content=bytes(4) + b"\x01" + bytes(15))  # an offset before the file
def test_any_archive_is_extracted_or_gives_one_error(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(folder / "good.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("ml-1m/ratings.dat", "1::1::5::1\n" * 20)
    whole = (folder / "good.zip").read_bytes()
    at = len(content) * 7 % len(whole)
    (folder / "x.zip").write_bytes(whole[:at] + content + whole[at + len(content) :])
    (folder / "out").mkdir()
    try:
        extract(folder / "x.zip", ("ratings.dat",), folder / "out")
    except UserError as error:
        assert str(folder / "x.zip") in str(error) and "\n" not in str(error)
