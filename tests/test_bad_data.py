"""What becomes of data that are not as they should be: each case with what is said, word for word."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from in_memory import clean_folder, index_interactions, rows_of, split
from stage_runner import run_stage, run_until, set_up

from movierec.archives import extract
from movierec.errors import UserError
from movierec.movielens import read_folder

ID = "is not a whole number from 0 to 2147483647"
STARS = "Rating is not in whole or half stars from 0.5 to 5"
SECONDS = "Timestamp is not in seconds from 0 to 4294967296"
GENRE_FLAGS = "|".join("0" * 19)

GOOD = {
    "1m": {
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "movies.dat": "10::Heat (1995)::Action|Crime\n20::Ran (1985)::Drama\n",
        "ratings.dat": "1::10::5::978300760\n2::20::3::978300761\n",
    },
    "10m": {"movies.dat": "10::Heat (1995)::Action|Crime\n20::Ran (1985)::Drama\n", "ratings.dat": "1::10::5::978300760\n2::20::3::978300761\n"},
    "100k": {
        "u.user": "1|24|F|writer|85711\n2|53|M|other|94043\n",
        "u.item": f"10|Heat (1995)|x||y|{GENRE_FLAGS}\n20|Ran (1985)|x||y|{GENRE_FLAGS}\n",
        "u.data": "1\t10\t5\t978300760\n2\t20\t3\t978300761\n",
    },
    "csv": {
        "movies.csv": "movieId,title,genres\n10,Heat (1995),Action|Crime\n20,Ran (1985),Drama\n",
        "ratings.csv": "userId,movieId,rating,timestamp\n1,10,5.0,978300760\n2,20,3.0,978300761\n",
    },
    "recbole": {
        "x.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n10\tHeat\t1995\tAction Crime\n20\tRan\t1985\tDrama\n",
        "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t5\t978300760\n2\t20\t3\t978300761\n",
    },
}  # fmt: skip
RATINGS = {"1m": "ratings.dat", "10m": "ratings.dat", "100k": "u.data", "csv": "ratings.csv", "recbole": "x.inter"}
MOVIES = {"1m": "movies.dat", "10m": "movies.dat", "100k": "u.item", "csv": "movies.csv", "recbole": "x.item"}
SEPARATOR = {"1m": "::", "10m": "::", "100k": "\t", "csv": ",", "recbole": "\t"}
SHOWN = {"1m": "'::'", "10m": "'::'", "100k": "a tab", "csv": "a comma", "recbole": "a tab"}


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def cleaned(folder, files, max_rejected=1.0):
    return clean_folder(write(folder, files), max_rejected)


def set_aside(found):
    return [tuple(row) for row in found.rejected[["table", "line", "reason"]].values.tolist()]


def row(layout, *fields):
    return SEPARATOR[layout].join(fields) + "\n"


def first_line(layout):
    """Of the ratings that `more` adds."""
    return 3 + (layout in ("csv", "recbole"))


def more(layout, *rows):
    """The good files with more ratings."""
    return GOOD[layout] | {RATINGS[layout]: GOOD[layout][RATINGS[layout]] + "".join(row(layout, *fields) for fields in rows)}


@pytest.mark.parametrize("layout", GOOD)
def test_the_good_files_are_good(tmp_path, layout):
    found = cleaned(tmp_path, GOOD[layout], max_rejected=0)
    assert found.ratings.values.tolist() == [[1, 10, 5, 978300760], [2, 20, 3, 978300761]] and not len(found.rejected)
    assert found.movies[["MovieID", "Title", "Year"]].values.tolist() == [[10, "Heat", 1995], [20, "Ran", 1985]]


UNUSABLE = [
    (("1", "20", "5"), "not 4 fields"),
    (("1", "20", "5", "9", "9"), "not 4 fields"),
    (("1", "20", "5", ""), SECONDS),
    (("one", "20", "5", "9"), f"UserID {ID}"),
    (("-1", "20", "5", "9"), f"UserID {ID}"),
    (("18446744073709551616", "20", "5", "9"), f"UserID {ID}"),
    (("2147483648", "20", "5", "9"), f"UserID {ID}"),
    (("1", "2e1", "5", "9"), f"MovieID {ID}"),
    (("1", "٢٠", "5", "9"), f"MovieID {ID}"),
    (("1", "20", "0", "9"), STARS),
    (("1", "20", "5.5", "9"), STARS),
    (("1", "20", "3.7", "9"), STARS),
    (("1", "20", "NaN", "9"), STARS),
    (("1", "20", "inf", "9"), STARS),
    (("1", "20", "", "9"), STARS),
    (("1", "20", "5", "-1"), SECONDS),
    (("1", "20", "5", "978300760000"), SECONDS),
    (("1", "20", "5", "9.5"), SECONDS),
    (("1", "20", "5", "2000-12-31"), SECONDS),
    (("1", "30", "5", "9"), "movie not in the movies table"),
    (("1", "10", "4", "978300760"), "the user rated the movie again, later"),
    (("1", "10", "5", "978300759"), "the user rated the movie again, later"),
]


@pytest.mark.parametrize("layout", GOOD)
def test_ratings_that_cannot_be_used_are_set_aside_each_with_its_line_and_reason(tmp_path, layout):
    found = cleaned(tmp_path, more(layout, *(fields for fields, _ in UNUSABLE)))
    assert set_aside(found) == [("ratings", line, reason) for line, (_, reason) in enumerate(UNUSABLE, first_line(layout))]
    assert len(found.ratings) == 2
    counts = {reason: sum(reason == other for _, other in UNUSABLE) for _, reason in UNUSABLE}
    assert found.summary["ratings"] == {"read": 2 + len(UNUSABLE), "kept": 2, "rejected": counts}


@pytest.mark.parametrize("layout", ["1m", "100k"])
def test_a_rating_of_a_user_who_is_not_in_the_users_table_is_set_aside(tmp_path, layout):
    assert set_aside(cleaned(tmp_path, more(layout, ("3", "20", "5", "9")))) == [("ratings", 3, "user not in the users table")]


@pytest.mark.parametrize("layout", GOOD)
def test_half_stars_and_a_later_rating_are_fine(tmp_path, layout):
    found = cleaned(tmp_path, more(layout, ("1", "20", "0.5", "0"), ("1", "10", "4.5", "978300999")))
    assert found.ratings.values.tolist() == [[2, 20, 3, 978300761], [1, 20, 0.5, 0], [1, 10, 4.5, 978300999]]
    cleaned(tmp_path, more(layout, ("1", "10", "4.5", "978300999")), max_rejected=0)  # what is overtaken does not count as unusable


@pytest.mark.parametrize("layout", GOOD)
def test_a_file_cut_off_in_mid_line_loses_that_line(tmp_path, layout):
    text = GOOD[layout][RATINGS[layout]]
    last = len(text.splitlines())
    found = cleaned(tmp_path, GOOD[layout] | {RATINGS[layout]: text[: text.rindex(SEPARATOR[layout])]})
    assert set_aside(found) == [("ratings", last, "not 4 fields")] and len(found.ratings) == 1


@pytest.mark.parametrize("layout", GOOD)
@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("\n", "\r"), lambda t: "\ufeff" + t, lambda t: t + "\n\n", str.rstrip])
def test_line_ends_a_byte_order_mark_and_blank_lines_at_the_end_change_nothing(tmp_path, layout, change):
    found = cleaned(tmp_path, {name: change(text) for name, text in GOOD[layout].items()}, max_rejected=0)
    assert found.ratings.values.tolist() == [[1, 10, 5, 978300760], [2, 20, 3, 978300761]] and len(found.movies) == 2


@pytest.mark.parametrize("layout", GOOD)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path} is empty; fetch the data set again."),
        (b"\xef\xbb\xbf\n \n", "{path} is empty; fetch the data set again."),
        ("Heat".encode("utf-16"), "{path}, line 1: holds bytes of zero, so that it is no text, or text in UTF-16; save it as UTF-8."),
    ],
)
def test_a_file_that_holds_no_text_is_named(tmp_path, layout, content, message):
    for name in (RATINGS[layout], MOVIES[layout]):
        with pytest.raises(UserError) as error:
            read_folder(write(tmp_path, GOOD[layout] | {name: content}))
        assert str(error.value) == message.format(path=tmp_path / name)


@pytest.mark.parametrize("layout", GOOD)
def test_another_separator_is_named_with_the_one_that_is_wanted(tmp_path, layout):
    path, text = tmp_path / RATINGS[layout], GOOD[layout][RATINGS[layout]]
    header = layout in ("csv", "recbole")
    body = text.split("\n", 1)[1] if header else text
    wrong = (text.split("\n", 1)[0] + "\n" if header else "") + body.replace(SEPARATOR[layout], ";")
    with pytest.raises(UserError) as error:
        cleaned(tmp_path, GOOD[layout] | {path.name: wrong})
    first = body.split("\n")[0].replace(SEPARATOR[layout], ";")
    assert str(error.value) == f"{path}: each line must be 4 fields with {SHOWN[layout]} between them, but none is; line {1 + header} is '{first}'."


@pytest.mark.parametrize("layout", ["1m", "10m", "100k"])
def test_a_header_where_there_is_none_is_one_row_that_is_set_aside(tmp_path, layout):
    name = RATINGS[layout]
    found = cleaned(tmp_path, GOOD[layout] | {name: row(layout, "UserID", "MovieID", "Rating", "Timestamp") + GOOD[layout][name]})
    assert set_aside(found) == [("ratings", 1, f"UserID {ID}")]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("csv", "line 1: the header must be 'userId,movieId,rating,timestamp', but it is '1,10,5.0,978300760'."),
        ("recbole", "line 1: the header lacks 'user_id:...'; it is '1 10 5 978300760'."),
    ],
)
def test_no_header_where_there_should_be_one_is_named(tmp_path, layout, message):
    name = RATINGS[layout]
    with pytest.raises(UserError) as error:
        read_folder(write(tmp_path, GOOD[layout] | {name: GOOD[layout][name].split("\n", 1)[1]}))
    assert str(error.value) == f"{tmp_path / name}, {message}"


@pytest.mark.parametrize("layout", ["csv", "recbole"])
def test_a_header_alone_is_named(tmp_path, layout):
    name = RATINGS[layout]
    with pytest.raises(UserError) as error:
        cleaned(tmp_path, GOOD[layout] | {name: GOOD[layout][name].split("\n", 1)[0] + "\n"})
    assert str(error.value) == f"{tmp_path / name} has a header and no rows; fetch the data set again."


@pytest.mark.parametrize("layout", GOOD)
def test_utf_8_is_read_where_latin_1_is_expected_and_the_reverse_is_named(tmp_path, layout):
    name = MOVIES[layout]
    text = GOOD[layout][name].replace("Ran", "Misérables, Les").replace("20,Misérables, Les (1985)", '20,"Misérables, Les (1985)"')
    assert cleaned(tmp_path, GOOD[layout] | {name: text}).movies["Title"].tolist() == ["Heat", "Misérables, Les"]
    latin = GOOD[layout] | {name: text.encode("latin-1")}
    if layout in ("1m", "100k"):
        assert cleaned(tmp_path, latin).movies["Title"].tolist() == ["Heat", "Misérables, Les"]
    else:
        with pytest.raises(UserError) as error:
            cleaned(tmp_path, latin)
        line = 2 + (layout in ("csv", "recbole"))
        assert str(error.value) == f"{tmp_path / name}, line {line}: not utf-8 text; convert the file to utf-8."


@pytest.mark.parametrize("name", [name for files in GOOD.values() for name in files if "." in name])
def test_a_file_that_is_missing_leaves_a_layout_that_is_not_known_or_a_file_to_fetch(tmp_path, name):
    layout = next(layout for layout, files in GOOD.items() if name in files)
    write(tmp_path, {other: text for other, text in GOOD[layout].items() if other != name})
    if name in ("users.dat", "x.item"):  # without these it is another layout, or they are not needed
        assert len(rows_of(read_folder(tmp_path).ratings)) == 2
        return
    with pytest.raises(UserError, match=f"^{tmp_path} holds no data set in a known layout. Known ones: 1m: users.dat, movies.dat, ratings.dat; "):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("layout", "line", "title", "year", "genres"),
    [
        ("1m", '30::"Heat" (1995)::', '"Heat"', 1995, ""),
        ("1m", "30::Heat: a, b; c | d\te::Drama", "Heat: a, b; c | d\te", None, "Drama"),
        ("csv", '30,"A ""b"", c",(no genres listed)', 'A "b", c', None, ""),
        ("csv", "30,東京物語 (1953),Drama", "東京物語", 1953, "Drama"),
        ("csv", "30,=cmd|' /C calc'!A0 (2000),Drama", "=cmd|' /C calc'!A0", 2000, "Drama"),
        ("recbole", "30\t“Q” <b>\t\t", "“Q” <b>", None, ""),
        ("recbole", "30\tQ\t١٩٩٥\tunknown", "Q", None, ""),
    ],
)
def test_titles_may_hold_anything_and_lack_year_or_genres(tmp_path, layout, line, title, year, genres):
    movie = cleaned(tmp_path, GOOD[layout] | {MOVIES[layout]: GOOD[layout][MOVIES[layout]] + line + "\n"}, 0).movies.iloc[2]
    assert (movie["Title"], movie["Genres"]) == (title, genres)
    assert movie["Year"] is pd.NA if year is None else movie["Year"] == year


@pytest.mark.parametrize(
    ("layout", "line", "reason"), [("1m", "30::A::B (2000)::Drama", "not 3 fields"), ("csv", '30,"A,Drama', "a quote is not closed")]
)
def test_a_title_that_holds_the_separator_or_an_open_quote_is_set_aside_with_its_text(tmp_path, layout, line, reason):
    name = MOVIES[layout]
    after = SEPARATOR[layout].join(("40", "B", "Drama"))
    found = cleaned(tmp_path, GOOD[layout] | {name: f"{GOOD[layout][name]}{line}\n{after}\n"})
    assert found.rejected.values.tolist() == [["movies", 3 + (layout == "csv"), reason, line]]
    assert found.movies["MovieID"].tolist() == [10, 20, 40]


def test_too_many_unusable_rows_stop_with_each_reason_and_its_first_line(tmp_path):
    files = more("1m", ("1", "20", "9", "9"), ("1", "20"), ("2", "10", "8", "9"))
    assert len(cleaned(tmp_path, files, max_rejected=0.6).ratings) == 2
    with pytest.raises(UserError) as error:
        cleaned(tmp_path, files, max_rejected=0.5)
    assert str(error.value) == (
        f"{tmp_path}/ratings.dat: 3 of 5 rows (60.0%) can't be used, more than max_rejected in params.yaml (0.5) allows: "
        f"2 {STARS} (line 3: '1|20|9|9'); 1 not 4 fields (line 4: '1::20'). Mend the file, or raise max_rejected."
    )


# --- whole stages --------------------------------------------------------------------------------

TINY = {"dataset": "path", "embedding_dim": 8, "epochs": 2, "top_k": 1, "ease_lambdas": [50], "next_epochs": 1, "next_dim": 8, "next_hidden": 8}


def own_data(folder, ratings):
    """A data set in the layout of ml-10m with these ratings (user, movie, stars, time)."""
    (folder / "own").mkdir()
    movies = sorted({movie for _, movie, *_ in ratings})
    write(folder / "own", {
        "movies.dat": "".join(f"{movie}::Film {movie} (2000)::Drama\n" for movie in movies),
        "ratings.dat": "".join("::".join(map(str, fields)) + "\n" for fields in ratings),
    })  # fmt: skip
    return str(folder / "own")


def dense(n_users, n_movies):
    """Everybody rates nearly everything, at different times."""
    rng = np.random.default_rng(0)
    return [(u, m, rng.integers(3, 6), rng.integers(10**6)) for u in range(n_users) for m in range(n_movies) if rng.random() < 0.8]


FRACTIONS = "with valid_fraction 0.1 and test_fraction 0.2 leaves no interaction in valid, out of"
LESS = "change the fractions in params.yaml, or use more data."


@pytest.mark.parametrize(
    ("ratings", "params", "message"),
    [
        ([(1, 1, 5, 1)], {}, f"split: random {FRACTIONS} 1; {LESS}"),
        ([(1, 1, 5, 1)], {"split_strategy": "leave_one_out"}, "split: leave_one_out leaves no interaction in valid, out of 1; "
         "change the split_strategy in params.yaml, or use more data."),
        (dense(1, 20), {}, "check: there are 1 users and 16 movies with liked ratings; a recommender needs 2 of each, and better hundreds."),
        (dense(20, 1), {}, f"split: random {FRACTIONS} 16; {LESS}"),
        ([(u, u, 5, u) for u in range(50)], {}, f"split: random {FRACTIONS} 50; {LESS}"),
        ([(u, u % 9, 5, u) for u in range(50)], {"split_strategy": "global_temporal"}, "split: global_temporal leaves nobody to measure on: each user "
         "of validation is new there, without anything before; change the split_strategy or the fractions in params.yaml, or use more data."),
        ([(1, 1, 1, 1), (2, 2, 2, 2)], {}, "split: no rating is left with min_rating 3 and k_core 1 (of 2); lower them in params.yaml."),
        (dense(9, 9), {"k_core": 10}, "split: no rating is left with min_rating 3 and k_core 10 (of 62); lower them in params.yaml."),
        (dense(9, 20), {"top_k": 21}, "check: params.yaml: top_k is 21, but only 20 movies have liked ratings; it must be at most that."),
    ],
)  # fmt: skip
def test_data_too_small_to_go_on_with_stop_the_pipeline_with_one_line_before_it_trains(tmp_path, monkeypatch, capsys, ratings, params, message):
    set_up(tmp_path, **TINY | {"data_path": own_data(tmp_path, ratings)} | params)
    assert run_until(tmp_path, monkeypatch, last="check") == message
    assert not list(tmp_path.glob("**/*partial*"))


@pytest.mark.parametrize("strategy", ["random", "leave_one_out"])
def test_a_data_set_of_a_dozen_users_goes_through(tmp_path, monkeypatch, capsys, strategy):
    set_up(tmp_path, **TINY, data_path=own_data(tmp_path, dense(12, 14)), split_strategy=strategy)
    assert run_until(tmp_path, monkeypatch) is None
    assert (tmp_path / "plots/recommendations.html").exists()


def test_where_everyone_has_seen_everything_nothing_is_recommended_and_the_page_is_there(tmp_path, monkeypatch, capsys):
    ratings = [(u, m, 5, 100 * m + u) for u in range(9) for m in range(8)]
    set_up(tmp_path, **TINY, data_path=own_data(tmp_path, ratings), split_strategy="global_temporal")
    assert run_until(tmp_path, monkeypatch) is None
    assert not len(pd.read_parquet(tmp_path / "data/recommendations/recommendations.parquet"))
    assert (tmp_path / "plots/recommendations.html").exists()


@pytest.mark.parametrize("strategy", ["random", "user_temporal", "leave_one_out"])
def test_whoever_has_one_rating_keeps_it_in_train(strategy):
    ratings = pd.DataFrame([(0, 1, 5.0, 1), *dense(5, 20)], columns=["UserID", "MovieID", "Rating", "Timestamp"]).assign(UserID=lambda t: t["UserID"] + (t.index > 0))
    interactions, user_ids, _ = index_interactions(ratings)
    parts = split(interactions, strategy, 0.2, 0.5, 1)
    assert set(parts.train["user"]) == set(range(len(user_ids))) and 0 not in {*parts.valid["user"], *parts.test["user"]}


@pytest.mark.parametrize(
    ("stage", "file"),
    [("split", "data/clean/ratings.parquet"), ("check", "data/split/users.parquet"), ("train", "data/graph/graph.npz"), ("recommend", "models/model.npz")],
)
def test_a_stage_whose_input_is_missing_or_broken_names_the_file_and_leaves_nothing(tmp_path, monkeypatch, stage, file):
    set_up(tmp_path, **TINY)
    assert run_stage(stage, tmp_path, monkeypatch) == f"{stage}: {file} is missing; `dvc repro` makes it."
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(b"PK cut off")
    said = run_stage(stage, tmp_path, monkeypatch)
    assert said.startswith(f"{stage}: {file} cannot be read (") and said.endswith("; delete it and run `dvc repro`.")
    assert {path.name for path in tmp_path.glob("**/*") if path.is_file()} == {"params.yaml", Path(file).name}


# --- anything at all -----------------------------------------------------------------------------

# Texts that are likely to go through the first checks and trip later ones.
LINES = st.lists(
    st.one_of(
        st.sampled_from(["1", "10", "20", "5", "0.5", "978300760", "Heat (1995)", "Drama|War", "F", "", "NaN", "-1", '"', '""', "é", "\x1f", "\x85", "９", "9" * 30]),
        st.text(max_size=6),
    ),
    min_size=0, max_size=6,
)  # fmt: skip
FILES = st.lists(LINES, max_size=6)


@pytest.mark.parametrize("layout", GOOD)
@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_whatever_the_files_hold_each_row_is_kept_or_listed_or_one_clear_error_says_why_not(tmp_path_factory, layout, data):
    folder = tmp_path_factory.mktemp("any")
    files = dict(GOOD[layout])
    for name in data.draw(st.sets(st.sampled_from(sorted(files)), min_size=1)):
        if data.draw(st.booleans()):
            separator = data.draw(st.sampled_from([SEPARATOR[layout], "::", "|", "\t", ","]))
            lines = [separator.join(fields) for fields in data.draw(FILES)]
            files[name] += data.draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)
        else:
            files[name] = data.draw(st.one_of(st.binary(max_size=60), st.builds(lambda a, b: a[:b] + a[b + 1 :], st.just(files[name].encode()), st.integers(0, 80))))
    files = {name: content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content for name, content in files.items()}
    try:
        found = cleaned(folder, files)
    except UserError as error:
        assert "\n" not in str(error)
        return
    for table, summary in found.summary.items():
        assert summary["read"] == summary["kept"] + sum(summary["rejected"].values()), table
        listed = found.rejected[found.rejected["table"] == table]
        assert len(listed) == sum(summary["rejected"].values()) and listed["line"].is_monotonic_increasing and listed["line"].is_unique
    assert set(found.ratings["MovieID"]) <= set(found.movies["MovieID"])


@given(content=st.binary(max_size=200))
@example(content=b"\x08" + bytes(19) + b"\x01\x00")  # a name that is no UTF-8
@example(content=b"\x00\x00\x00\x00\x00\xa0\x00\x00\x00\x00\x01\x01\x01\n")  # a name with a line end
@example(content=bytes(4) + b"\x01" + bytes(15))  # an offset before the file
def test_whatever_an_archive_holds_it_is_extracted_or_one_clear_error_says_why_not(tmp_path_factory, content):
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
