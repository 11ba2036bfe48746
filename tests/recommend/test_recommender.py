"""Recommendations for known and new users, similar movies, and the files of a recommender."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from small_recommender import (
    ITEM_IDS,
    MOVIES,
    N_ITEMS,
    N_USERS,
    PARAMS,
    USER_IDS,
    item_indices,
    movie_ids,
    one_of,
    small,
    write_small,
)

import movierec
from movierec.interactions.histories import Histories
from movierec.interactions.profiles import Profiles
from movierec.recommend.filters import Filters
from movierec.recommend.lookup import typed
from movierec.recommend.ranker import DISLIKE
from movierec.recommend.reasons import reasons_by_leaving_out
from movierec.recommend.recommender import Recommender
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.errors import UserError

COLUMNS = ["Rank", "MovieID", "Title", "Year", "Genres", "Score"]


@pytest.fixture(scope="module")
def temporal():
    return small(temporal=True).recommender


def scores_of(table):
    """The score of each item, NaN where it is not in the table: (n_items,)."""
    scores = np.full(N_ITEMS, np.nan)
    scores[item_indices(table)] = table["Score"]
    return scores


def test_all_users_get_what_each_gets_alone_and_nothing_that_they_rated(recommender):
    table = recommender.recommend(k=5)
    assert list(table.columns) == ["UserID", *COLUMNS]
    assert table["UserID"].tolist() == np.repeat(USER_IDS, 5).tolist()
    assert table["Rank"].tolist() == [1, 2, 3, 4, 5] * N_USERS
    for user_id in USER_IDS[[0, 13]]:
        alone = recommender.recommend(int(user_id), k=5)
        pd.testing.assert_frame_equal(alone, table[table["UserID"] == user_id].reset_index(drop=True), rtol=1e-4)
    user = np.searchsorted(USER_IDS, table["UserID"])
    assert not np.asarray(recommender.rated[user, item_indices(table)]).any()
    assert table.groupby("UserID")["Score"].apply(lambda scores: (np.diff(scores) <= 0).all()).all()


def test_users_come_in_the_order_asked_and_once(recommender):
    table = recommender.recommend([int(USER_IDS[9]), USER_IDS[2], int(USER_IDS[9])], k=2)
    assert table["UserID"].tolist() == USER_IDS[[9, 9, 2, 2]].tolist()


def test_the_scores_are_those_of_the_model(recommender, temporal):
    for of, profiles in ((recommender, None), (temporal, temporal.profiles.of(np.array([4])))):
        row = np.array([4 if profiles is None else 0])
        expected = of.model.scorer(profiles)(row)[0].numpy()
        expected[of.rated[4].indices] = np.nan
        found = scores_of(of.recommend(int(USER_IDS[4]), k=N_ITEMS))
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-4)


def test_a_user_who_has_rated_nearly_everything_gets_what_is_left():
    of = small()
    rated = of.catalogue.rated.tolil()
    rated[0] = 3
    rated[0, 7] = 0
    catalogue = of.catalogue._replace(rated=rated.tocsr())
    table = Recommender(of.model_arrays, catalogue.arrays()).recommend([100, 102], k=3)
    assert table["UserID"].tolist() == [100, 102, 102, 102]
    assert table["MovieID"][0] == ITEM_IDS[7]


def test_a_new_user_with_the_history_of_a_known_one_gets_their_scores(recommender):
    """But for layer 0, which a new user does not have."""
    layer_0 = torch.zeros_like(recommender.model.user_embedding)
    model, known = recommender.model._replace(user_embedding=layer_0), recommender.profiles
    one = known.of(np.array([6]))
    new = one._replace(users=np.array([-1]), gender=model.graph.user_gender[[6]])
    old_scores, new_scores = model.scorer(known)(np.array([6])), model.scorer(new)(np.array([0]))
    torch.testing.assert_close(new_scores, old_scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("gender", ["F", "M", None])
def test_the_scores_of_a_new_user_are_those_of_the_model(recommender, gender):
    liked, disliked = [8, 3], [5]
    row = np.zeros((1, N_ITEMS), np.float32)
    row[0, liked], row[0, disliked] = 1, DISLIKE
    histories = Histories.of_one(np.array(liked), recommender.profiles.histories.times.max())
    features = np.array([[gender == "F", gender == "M"]], np.int8)
    profiles = Profiles(sp.csr_matrix(row), histories, np.array([-1]), features)
    expected = recommender.model.scorer(profiles)(np.array([0]))[0].numpy()
    expected[[3, 5, 8]] = np.nan
    table = recommender.recommend_new(movie_ids(*liked), movie_ids(*disliked), gender, k=N_ITEMS)
    assert list(table.columns) == COLUMNS
    np.testing.assert_allclose(scores_of(table), expected, atol=1e-5, rtol=1e-4)


def test_a_new_user_gets_movies_of_their_taste(recommender):
    even, odd = (recommender.recommend_new(movie_ids(*liked), k=8) for liked in ([0, 4, 8, 12], [1, 5, 9, 13]))
    assert (item_indices(even) % 2).mean() < 0.3
    assert (item_indices(odd) % 2).mean() > 0.7
    assert not set(even["MovieID"]) & set(movie_ids(0, 4, 8, 12)), "liked movies are seen"


def test_disliked_movies_are_left_out_and_lower_the_scores_of_similar_ones(recommender):
    likes, dislikes = movie_ids(0, 1, 4, 5), movie_ids(7, 9, 11)
    before = recommender.recommend_new(likes, k=N_ITEMS)
    after = recommender.recommend_new(likes, dislikes, k=N_ITEMS, because=True)
    assert not set(dislikes) & set(after["MovieID"])
    change = (scores_of(after) - scores_of(before)).reshape(-1, 2)  # of even and of odd movies
    assert np.nanmean(change[:, 1]) < np.nanmean(change[:, 0])
    of_reasons = {movie_id for reasons in after["Because"] for movie_id, _ in reasons}
    assert of_reasons <= set(likes), "a disliked movie is no reason"


@pytest.mark.parametrize("gender", ["F", "M", None])
def test_without_a_liked_movie_gender_or_nothing_will_do(recommender, gender):
    table = recommender.recommend_new(gender=gender, k=3, because=True)
    assert (len(table), table["Because"].tolist()) == (3, [[], [], []])
    model, has = recommender.model, recommender.model.graph.user_gender[:, "FM".index(gender)] if gender else 1
    direction = (model.h_user * torch.from_numpy(np.broadcast_to(has, N_USERS).copy()).unsqueeze(1)).sum(dim=0)
    cosine = (model.h_item @ direction / direction.norm()).numpy()
    assert table["MovieID"].tolist() == ITEM_IDS[np.argsort(-cosine)[:3]].tolist()
    np.testing.assert_allclose(table["Score"], np.sort(cosine)[::-1][:3], rtol=1e-4)


def test_similar_movies_are_the_nearest_vectors_without_the_movie_itself(recommender):
    table = recommender.similar(int(ITEM_IDS[10]), k=6)
    cosine = (recommender.model.h_item @ recommender.model.h_item[10]).numpy()
    cosine[10] = -np.inf
    assert list(table.columns) == COLUMNS
    assert table["MovieID"].tolist() == ITEM_IDS[np.argsort(-cosine, kind="stable")[:6]].tolist()


def test_taste_is_the_best_ratings_and_of_equal_ones_the_less_popular_movies(recommender):
    user_id, rated = int(USER_IDS[2]), recommender.rated[2]
    table = recommender.taste(user_id, k=5)
    n_ratings = np.diff(recommender.rated.tocsc().indptr)
    order = sorted(zip(-rated.data, n_ratings[rated.indices], rated.indices, strict=True))[:5]
    assert list(zip(-table["Rating"], n_ratings[item_indices(table)], item_indices(table), strict=True)) == order
    assert recommender.n_rated(user_id) == rated.nnz == 9


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(genres=("drama",)), lambda row: row.Genres == "Drama"),
        (Filters(not_genres=("War",)), lambda row: "War" not in row.Genres),
        (Filters(years=(1985, 1990)), lambda row: row.Year is not pd.NA and 1985 <= row.Year <= 1990),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda of, **filters: of.recommend(int(USER_IDS[1]), N_ITEMS, **filters),
        lambda of, **filters: of.recommend_new(movie_ids(1), k=N_ITEMS, **filters),
        lambda of, **filters: of.recommend_new(gender="F", k=N_ITEMS, **filters),
        lambda of, **filters: of.similar(int(ITEM_IDS[1]), N_ITEMS, **filters),
    ],
)
def test_filters_leave_the_order_as_it_is(recommender, ask, filters, passes):
    whole, table = ask(recommender), ask(recommender, filters=filters)
    passing = [row.MovieID for row in whole.itertuples() if passes(row)]
    assert passing
    assert table["MovieID"].tolist() == passing
    assert table["Rank"].tolist() == list(range(1, len(passing) + 1))


def test_diversity_costs_relevance(recommender):
    def similarity(table):
        vectors = recommender.model.h_item[torch.from_numpy(item_indices(table))]
        return float((vectors @ vectors.T).mean())

    users = USER_IDS[:10].tolist()
    plain, diverse = (recommender.recommend(users, k=4, diversity=diversity) for diversity in (0.0, 0.7))
    means = [np.mean([similarity(of) for _, of in table.groupby("UserID")]) for table in (plain, diverse)]
    assert means[1] < means[0]
    assert diverse["Score"].mean() < plain["Score"].mean()
    assert diverse.groupby("UserID")["MovieID"].first().equals(plain.groupby("UserID")["MovieID"].first())


def test_watched_movies_continue_the_history_and_are_seen(temporal):
    user_id, old = int(USER_IDS[5]), temporal.profiles.of(np.array([5]))
    before = old.histories.items
    new = int(np.setdiff1d(np.arange(N_ITEMS), temporal.rated[5].indices)[0])
    watched = [before[0], new]  # a movie that was watched before counts at its last place
    items = np.array([*before[1:], *watched], np.int32)
    now = temporal.profiles.histories.times.max()  # the end of the data
    times = np.append(old.histories.times[1:], [now, now])
    histories = Histories(np.array([0, len(items)]), items, times)
    matrix = old.matrix.toarray()
    matrix[0, watched] = 1
    profiles = Profiles(sp.csr_matrix(matrix), histories, old.users)
    expected = temporal.model.scorer(profiles)(np.array([0]))[0].numpy()
    expected[[*temporal.rated[5].indices, new]] = np.nan
    found = temporal.recommend(user_id, k=N_ITEMS, watched=movie_ids(*watched), because=True)
    np.testing.assert_allclose(scores_of(found), expected, atol=1e-5, rtol=1e-4)
    of_reasons = reasons_by_leaving_out(temporal.by_user, one_of(profiles, 0), item_indices(found))
    assert [[(ITEM_IDS[item], share) for item, share in of] for of in of_reasons] == found["Because"].tolist()
    assert found["Score"].tolist() != temporal.recommend(user_id, k=N_ITEMS)["Score"].tolist()


def test_watched_movies_are_new_likes_where_the_model_does_not_follow_time(recommender):
    user_id, watched = int(USER_IDS[5]), [3, 9]
    matrix = recommender.model.graph.matrix[[5]].toarray()
    matrix[0, watched] = 1
    profiles = Profiles.without_order(sp.csr_matrix(matrix), np.array([5]))
    expected = recommender.model.scorer(profiles)(np.array([0]))[0].numpy()
    expected[[*recommender.rated[5].indices, *watched]] = np.nan
    found = recommender.recommend(user_id, k=N_ITEMS, watched=movie_ids(*watched), because=True)
    np.testing.assert_allclose(scores_of(found), expected, atol=1e-4, rtol=1e-3)
    assert {movie for of in found["Because"] for movie, _ in of} & set(movie_ids(*watched))


def test_watched_movies_are_those_of_every_user_asked_for(temporal):
    watched = movie_ids(3, 4)
    both = temporal.recommend(USER_IDS[[5, 8]].tolist(), k=3, watched=watched, because=True)
    for user_id in USER_IDS[[5, 8]]:
        alone = temporal.recommend(int(user_id), k=3, watched=watched, because=True)
        of_both = both[both["UserID"] == user_id].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone.drop(columns="Because"), of_both.drop(columns="Because"), rtol=1e-4)
        assert [len(of) for of in alone["Because"]] == [len(of) for of in of_both["Because"]]
        assert all(movie_id in ITEM_IDS for reasons in alone["Because"] for movie_id, _ in reasons)


def test_the_last_watched_movies_are_the_end_of_the_history(temporal):
    history = temporal.profiles.histories.of(np.array([5])).items
    assert temporal.last_watched(int(USER_IDS[5]), 2)["MovieID"].tolist() == movie_ids(history[-1], history[-2])


def test_a_temporal_model_follows_the_order_of_a_new_users_likes(temporal, recommender):
    likes = movie_ids(2, 9, 14, 21, 3, 32, 8)
    for of, same in ((temporal, False), (recommender, True)):
        one, other = of.recommend_new(likes, k=5), of.recommend_new(likes[::-1], k=5)
        assert (one["Score"].tolist() == other["Score"].tolist()) == same
    assert len(temporal.recommend_new(likes, k=2, because=True)["Because"]) == 2


def test_movies_are_found_by_title(recommender):
    assert recommender.find("film 7 (1987)") == ITEM_IDS[7]
    assert recommender.movie_id("Film 7") == recommender.movie_id(str(ITEM_IDS[7])) == ITEM_IDS[7]
    assert type(recommender.find("film 7")) is int
    assert recommender.title_of(int(ITEM_IDS[7])) == "Film 7 (1987)"
    assert recommender.title_of(int(ITEM_IDS[0])) == "Film 0"


@pytest.mark.parametrize(
    ("text", "expected"), [("42", 42), ("007", "007"), ("4.2", "4.2"), ("-4", -4), ("²", "²"), ("", ""), ("ann", "ann")]
)
def test_ids_from_text_are_numbers_where_those_of_the_data_are(text, expected):
    assert typed(text, np.array([1, 2])) == expected
    assert typed(text, np.array(["1", "2"], object)) == text


@pytest.fixture(scope="module")
def with_names():
    """The same recommender, of data whose ids are text."""
    of = small()
    names = [np.array([f"{kind}{number}" for number in ids]) for kind, ids in (("u", USER_IDS), ("i", ITEM_IDS))]
    catalogue = of.catalogue._replace(user_names=names[0], item_names=names[1])
    return Recommender(of.model_arrays, catalogue.arrays())


def test_ids_that_are_text_stand_for_the_same_users_and_movies(recommender, with_names):
    for table, expected in (
        (with_names.recommend("u110", k=4, because=True), recommender.recommend(110, k=4, because=True)),
        (with_names.recommend_new(["i1003"], ["i1006"], k=4), recommender.recommend_new([1003], [1006], k=4)),
        (with_names.similar("i1003"), recommender.similar(1003)),
        (with_names.taste("u110"), recommender.taste(110)),
    ):
        named = expected.assign(MovieID=[f"i{movie_id}" for movie_id in expected["MovieID"]])
        if "UserID" in named:
            named["UserID"] = [f"u{user_id}" for user_id in named["UserID"]]
            named["Because"] = [[(f"i{movie}", share) for movie, share in of] for of in named["Because"]]
        pd.testing.assert_frame_equal(table, named, check_dtype=False)
    assert with_names.user_id("u110") == "u110"
    assert with_names.movie_id("i1003") == with_names.movie_id("film 1") == with_names.find("Film 1") == "i1003"


@pytest.mark.parametrize("unknown", ["bob", "110", 110])
def test_an_unknown_id_among_ids_that_are_text_is_an_error(with_names, unknown):
    with pytest.raises(UserError, match=rf"no user {unknown}: .*u100 to u198"):
        with_names.recommend(unknown)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda of: of.recommend(7), ["no user 7:", "UserIDs", "100 to 198", "(50", "--like"]),
        (lambda of: of.recommend([100, 7, 9]), ["no user 7, 9:"]),
        (lambda of: of.recommend("0100"), ["no user 0100:"]),
        (lambda of: of.recommend_new([7]), ["no movie 7:", "MovieIDs", "1000 to 1117", "(40", "title"]),
        (lambda of: of.similar(-1), ["no movie -1:"]),
        (lambda of: of.recommend_new([1000, 1003], [1003]), ["Film 1 (1981)", "both liked and disliked"]),
        (lambda of: of.recommend_new([1000], gender="X"), ["'X'", "F, M"]),
        (lambda of: of.recommend(100, k=0), ["0 recommendations", "1 or more"]),
        (lambda of: of.recommend(100, diversity=1.5), ["diversity is 1.5", "0 to 1"]),
        (lambda of: of.recommend(100, diversity=-0.1), ["diversity is -0.1", "0 to 1"]),
        (lambda of: of.recommend(100, at=10**9), ["a moment", "split_strategy"]),
        (lambda of: of.recommend(100, filters=Filters(("Dram",))), ["'Dram'", "'Drama'"]),
        (lambda of: of.find("no such film at all"), ["'no such film at all'", "closest"]),
    ],
)
def test_an_error_names_the_value_and_what_is_possible(recommender, call, parts):
    with pytest.raises(UserError) as error:
        call(recommender)
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("follows_time", [False, True])
def test_a_loaded_recommender_recommends_the_same(tmp_path, follows_time):
    of = small(follows_time)
    write_small(tmp_path, of)
    loaded = movierec.Recommender.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.recommend(k=4), of.recommender.recommend(k=4), rtol=1e-3)
    pd.testing.assert_frame_equal(loaded.movies, MOVIES, check_dtype=False)
    assert (loaded.version, loaded.follows_time) == (movierec.__version__, follows_time)
    assert loaded.params["lr"] == PARAMS.lr


def test_files_of_different_runs_are_an_error(tmp_path):
    of, other = small(), small(temporal=True)
    for catalogue in (of.catalogue._replace(user_ids=USER_IDS + 1), other.catalogue):
        write_small(tmp_path, of._replace(catalogue=catalogue))
        with pytest.raises(UserError, match=r"model\.npz and catalogue\.npz .*different runs.*dvc repro"):
            Recommender.load(tmp_path)


@pytest.mark.filterwarnings("ignore:overflow")
def test_scores_that_are_not_finite_are_an_error_that_names_the_files(tmp_path):
    write_small(tmp_path, small(temporal=True))
    catalogue = read_arrays(tmp_path / "catalogue.npz")
    catalogue["known.weight"] = np.full_like(catalogue["known.weight"], 3e38)  # finite, but not its sums
    write_arrays(tmp_path / "catalogue.npz", **catalogue)
    with pytest.raises(
        UserError, match=rf"^model\.npz and catalogue\.npz in {tmp_path} give scores .* run `dvc repro`\.$"
    ):
        Recommender.load(tmp_path).recommend(k=3)


@pytest.mark.parametrize("one", [110, "110", 110.0, np.int32(110), np.float64(110)])
def test_a_user_or_movie_is_asked_for_by_any_form_of_the_id(recommender, one):
    assert recommender.recommend(one, k=2)["UserID"].tolist() == [110, 110]
    assert recommender.movie_id(type(one)(1003)) == recommender.user_id(type(one)(1003)) == 1003
    pd.testing.assert_frame_equal(recommender.similar(type(one)(1003)), recommender.similar(1003))


@pytest.mark.parametrize("one", [110.5, b"n", None, True, np.array(110)])
def test_what_is_no_id_is_one_error(recommender, one):
    calls = [recommender.similar, recommender.taste, recommender.movie_id, recommender.user_id]
    for call in [*calls, recommender.recommend] if one is not None else calls:
        with pytest.raises(UserError, match="is no id: it must be text or a whole number"):
            call(one)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda arrays: arrays | {"format": 99}, rf"format 99 .*{movierec.__version__}.*not 2; .*dvc repro"),
        (lambda arrays: arrays.pop("format") and arrays, r"model\.npz has format None"),
        (lambda arrays: {name: of for name, of in arrays.items() if name != "h_item"}, "lacks 'h_item'.*dvc repro"),
    ],
)
def test_a_model_that_this_code_cannot_read_is_an_error(tmp_path, change, pattern):
    write_small(tmp_path, small())
    write_arrays(tmp_path / "model.npz", **change(read_arrays(tmp_path / "model.npz")))
    with pytest.raises(UserError, match=pattern):
        Recommender.load(tmp_path)


@pytest.mark.parametrize("file", ["model.npz", "catalogue.npz"])
def test_a_missing_or_damaged_file_is_an_error(tmp_path, file):
    write_small(tmp_path, small())
    (tmp_path / file).write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match=f"{file} cannot be read"):
        Recommender.load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(UserError, match=f"{file} is missing; `dvc repro`"):
        Recommender.load(tmp_path)


def test_the_package_offers_the_recommender_and_nothing_unknown():
    assert (movierec.Recommender, movierec.Filters) == (Recommender, Filters)
    with pytest.raises(AttributeError, match="has no attribute 'Recomender'"):
        movierec.Recomender  # noqa: B018
