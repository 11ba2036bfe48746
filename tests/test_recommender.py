"""The recommender: known users, someone new, similar movies; reasons that add up; filters, variety, and errors that help."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import movierec
from movierec.all_reasons import reasons_of_all
from movierec.catalogue import Catalogue, stored_catalogue
from movierec.contributions import contributions
from movierec.diversity import diversified
from movierec.edges import graph_arrays
from movierec.errors import UserError
from movierec.filters import Filters, years_of
from movierec.graph import Graph
from movierec.history import History, Known, known_by, known_without_order
from movierec.model import train_model, train_next
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings
from movierec.packing import Packed, pack
from movierec.presenting import as_records, print_movies
from movierec.reasons import reasons_by_leaving_out
from movierec.recommender import Recommender
from movierec.storage import read_arrays, write_arrays
from movierec.training import Settings

N_USERS, N_ITEMS = 50, 40
SETTINGS = Settings(temperature=0.2, user_weight_power=0.25, lr=0.01, weight_decay=0.0, batch_size=32, epochs=2, patience=2, seed=1)
USER_IDS, ITEM_IDS = 100 + 2 * np.arange(N_USERS), 1000 + 3 * np.arange(N_ITEMS)
GENRES = ["Drama", "Comedy|War", "War", ""]
MOVIES = pd.DataFrame({
    "MovieID": ITEM_IDS, "Title": [f"Film {i}" for i in range(N_ITEMS)], "Year": pd.array([None, *range(1981, 1980 + N_ITEMS)], dtype="Int16"),
    "Genres": [GENRES[i % 4] for i in range(N_ITEMS)],
})  # fmt: skip


@pytest.fixture(scope="module")
def interactions():
    """Users of two tastes, each movie liked with ratings of 3 to 5: rows in time, and the weighted matrix."""
    rng = np.random.default_rng(0)
    rows = [(u, i, rng.integers(3, 6)) for u in range(N_USERS) for i in rng.permutation(np.arange(u % 2, N_ITEMS, 2) if rng.random() < 0.8 else N_ITEMS)[:9]]
    table = pd.DataFrame(rows, columns=["user", "item", "rating"]).astype({"rating": np.float32})
    return table, known_by(N_USERS, N_ITEMS, [table], 1.0)


def make(interactions, in_time):
    table, known = interactions
    rng = np.random.default_rng(1)
    gender = np.eye(2, dtype=np.int8)[np.arange(N_USERS) % 2]
    genres = MOVIES["Genres"].str.get_dummies("|").drop(columns="", errors="ignore").to_numpy(np.int8).copy()
    arrays = graph_arrays(known.matrix, gender, genres)
    graph, ones = Graph(arrays), (known.matrix != 0).astype(np.float32).tocsr()
    valid = sp.csr_matrix((rng.random((N_USERS, N_ITEMS)) < 0.1) & (ones.toarray() == 0), dtype=np.float32)
    model = train_model(graph, ones, valid, 8, 2, 1000, 0.3, 0.3, SETTINGS, known=known if in_time else None).model
    if in_time:
        network = NextMovie(N_ITEMS, [1.0, 8.0], dim=8, hidden=8, temperature=0.2)
        model = train_next(model, graph, known, ones, valid, network, NextSettings(0.01, 1, 64, 10, 1)).model._replace(shares=(0.4, 0.5, 0.1))
    model = model._replace(mix=(0.2, 0.4, 0.4))  # all parts, whatever validation would choose
    rated = known.matrix.copy()
    rated.data = np.round(rated.data * table["rating"].mean()).astype(np.float32)
    return Packed(model, graph, USER_IDS, ITEM_IDS, {"lr": 0.01}), Catalogue(USER_IDS, ITEM_IDS, MOVIES, rated, known if in_time else None), arrays


@pytest.fixture(scope="module")
def made(interactions):
    return make(interactions, in_time=False)


@pytest.fixture(scope="module")
def recommender(made):
    return Recommender(*made[:2])


@pytest.fixture(scope="module")
def in_time(interactions):
    return Recommender(*make(interactions, in_time=True)[:2])


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("mix", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.4, 0.4)])
def test_the_parts_of_a_score_and_the_rest_sum_to_it(recommender, mix, trained):
    model, graph = recommender.model._replace(mix=mix), recommender.graph
    known = known_without_order(graph.matrix)
    for user in (0, 7, N_USERS - 1):
        score = model.scorer(graph, None if trained else known)(np.array([user]))[0]
        made = contributions(model, graph, known, user, trained)
        torch.testing.assert_close(made.total(), score, atol=2e-5, rtol=1e-4)
        assert made.movies.tolist() == graph.matrix[user].indices.tolist()


def test_for_someone_new_with_dislikes_the_parts_sum_too(recommender):
    matrix = sp.csr_matrix((np.array([1, -0.25, 1], np.float32), ([0, 0, 0], [3, 5, 8])), shape=(1, N_ITEMS))
    known = Known(matrix, History(np.array([0, 2]), np.array([3, 8])), np.array([-1]), np.array([[1, 0]], np.int8))
    score = recommender.model.scorer(recommender.graph, known)(np.array([0]))[0]
    torch.testing.assert_close(contributions(recommender.model, recommender.graph, known, 0, trained=False).total(), score, atol=2e-5, rtol=1e-4)


def test_without_what_a_movie_adds_the_item_part_loses_just_that(recommender):
    model, graph = recommender.model._replace(mix=(0.0, 0.0, 1.0)), recommender.graph
    part = model.parts(graph)[2]
    made = contributions(model, graph, known_without_order(graph.matrix), 4, trained=True)
    raw = part(np.array([4]))[0]
    without = graph.matrix[4].copy()
    without.data[2] = 0
    lost = raw - model.parts(graph, Known(without, History(np.array([0, 0]), np.zeros(0, int)), np.array([4])))[2](np.array([0]))[0]
    torch.testing.assert_close(made.parts[2] * raw.std(correction=0), lost - lost.mean(), atol=1e-5, rtol=1e-3)


def test_everyone_gets_what_each_gets_alone_and_nothing_that_they_rated(recommender):
    everyone = recommender.recommend(k=5)
    assert list(everyone.columns) == ["UserID", "Rank", "MovieID", "Title", "Year", "Genres", "Score"]
    assert everyone["UserID"].tolist() == np.repeat(USER_IDS, 5).tolist() and everyone["Rank"].tolist() == [1, 2, 3, 4, 5] * N_USERS
    for user_id in USER_IDS[[0, 13]]:
        alone = recommender.recommend(int(user_id), k=5)
        pd.testing.assert_frame_equal(alone, everyone[everyone["UserID"] == user_id].reset_index(drop=True), rtol=1e-4)
    user, item = np.searchsorted(USER_IDS, everyone["UserID"]), np.searchsorted(ITEM_IDS, everyone["MovieID"])
    assert not np.asarray(recommender.rated[user, item]).any()
    assert everyone.groupby("UserID")["Score"].apply(lambda scores: (np.diff(scores) <= 0).all()).all()


def test_each_recommendation_names_the_liked_movies_that_add_most(recommender):
    table = recommender.recommend(int(USER_IDS[3]), k=4, because=True)
    made = contributions(recommender.model, recommender.graph, known_without_order(recommender.graph.matrix), 3, trained=True)
    for row in table.itertuples():
        parts = made.parts[:, np.searchsorted(ITEM_IDS, row.MovieID)].numpy()
        assert 1 <= len(row.Because) <= 3
        best = np.argsort(-parts)[: len(row.Because)]
        assert [movie_id for movie_id, _ in row.Because] == ITEM_IDS[made.movies[best]].tolist()
        assert [share for _, share in row.Because] == pytest.approx((parts[best] / parts[parts > 0].sum()).tolist(), rel=1e-4)


@pytest.mark.parametrize("mix", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.4, 0.4)])
def test_the_reasons_of_all_users_at_once_are_those_of_each(recommender, made, mix):
    mixed = Recommender(made[0]._replace(model=recommender.model._replace(mix=mix)), made[1])
    table = mixed.recommend(k=4)
    items = np.searchsorted(ITEM_IDS, table["MovieID"]).reshape(N_USERS, 4)
    items[3, 2:] = -1
    found = reasons_of_all(mixed, np.arange(N_USERS), items, 3)
    assert (found[3, 2:] == -1).all()
    for user in (0, 3, 21):
        made_of = contributions(mixed.model, mixed.graph, known_without_order(mixed.graph.matrix), user, trained=True)
        for place, item in enumerate(items[user][items[user] >= 0]):
            parts = made_of.parts[:, item].numpy()
            best = made_of.movies[np.argsort(-parts, kind="stable")[:3]]
            assert found[user, place].tolist() == [movie if parts[made_of.movies == movie] > 0 else -1 for movie in best]


def test_someone_new_with_a_known_users_history_and_layer_0_would_get_their_scores(recommender):
    """Folding in is the model itself: only layer 0, which a newcomer has not, tells them apart."""
    known = known_without_order(recommender.graph.matrix)
    model = recommender.model._replace(user_embedding=torch.zeros_like(recommender.model.user_embedding))
    old = model.scorer(recommender.graph, known)(np.array([6]))
    one = Known(known.matrix[[6]], known.history.of(np.array([6])), np.array([-1]), recommender.graph.user_gender[[6]])
    torch.testing.assert_close(model.scorer(recommender.graph, one)(np.array([0])), old, atol=1e-5, rtol=1e-4)


def test_someone_new_gets_movies_of_the_taste_that_they_say(recommender):
    even, odd = (recommender.recommend_new([int(ITEM_IDS[i]) for i in liked], k=8) for liked in ([0, 4, 8, 12], [1, 5, 9, 13]))
    place = lambda table: np.searchsorted(ITEM_IDS, table["MovieID"]) % 2  # noqa: E731
    assert place(even).mean() < 0.3 and place(odd).mean() > 0.7
    assert not set(even["MovieID"]) & {ITEM_IDS[0], ITEM_IDS[4]}, "what they like they have seen"


def test_dislikes_are_left_out_and_pull_down_what_is_like_them(recommender):
    likes = [int(ITEM_IDS[i]) for i in (0, 1, 4, 5)]
    before = recommender.recommend_new(likes, k=N_ITEMS).set_index("MovieID")["Score"]
    disliked = [int(ITEM_IDS[i]) for i in (7, 9, 11)]
    after = recommender.recommend_new(likes, disliked, k=N_ITEMS, because=True)
    assert not set(disliked) & set(after["MovieID"])
    change = after.set_index("MovieID")["Score"] - before.reindex(after["MovieID"])
    odd = np.searchsorted(ITEM_IDS, change.index) % 2 == 1
    assert change[odd].mean() < change[~odd].mean()
    assert not set(disliked) & {movie_id for reasons in after["Because"] for movie_id, _ in reasons}, "what is disliked is no reason"


def test_of_whom_nothing_is_known_gender_or_nothing_will_do(recommender):
    for gender in ("F", "M", None):
        table = recommender.recommend_new(gender=gender, k=3, because=True)
        assert len(table) == 3 and table["Because"].tolist() == [[], [], []]


def test_similar_movies_are_the_nearest_vectors_and_never_the_movie_itself(recommender):
    table = recommender.similar(int(ITEM_IDS[10]), k=6)
    cosine = (recommender.model.h_item @ recommender.model.h_item[10]).numpy()
    cosine[10] = -np.inf
    assert table["MovieID"].tolist() == ITEM_IDS[np.argsort(-cosine, kind="stable")[:6]].tolist()


def test_taste_is_what_they_rated_best_and_others_did_not(recommender):
    table = recommender.taste(int(USER_IDS[2]), k=5)
    assert (np.diff(table["Rating"]) <= 0).all() and set(table["MovieID"]) <= set(ITEM_IDS[recommender.rated[2].indices])
    assert recommender.n_rated(int(USER_IDS[2])) == 9


@pytest.mark.parametrize(
    ("filters", "test"),
    [
        (Filters(genres=("drama",)), lambda row: row.Genres == "Drama"),
        (Filters(genres=("Drama", "Comedy")), lambda row: row.Genres in ("Drama", "Comedy|War")),
        (Filters(not_genres=("War",)), lambda row: "War" not in row.Genres),
        (Filters(years=(1985, 1990)), lambda row: 1985 <= row.Year <= 1990),
        (Filters(("War",), ("Comedy",), (1981, 2000)), lambda row: row.Genres == "War" and row.Year <= 2000),
    ],
)
def test_filters_leave_what_is_asked_for_in_the_same_order(recommender, filters, test):
    for table, whole in (
        (recommender.recommend(int(USER_IDS[1]), N_ITEMS, filters), recommender.recommend(int(USER_IDS[1]), N_ITEMS)),
        (recommender.recommend_new([int(ITEM_IDS[1])], k=N_ITEMS, filters=filters), recommender.recommend_new([int(ITEM_IDS[1])], k=N_ITEMS)),
        (recommender.similar(int(ITEM_IDS[1]), N_ITEMS, filters), recommender.similar(int(ITEM_IDS[1]), N_ITEMS)),
    ):
        passing = [row.MovieID for row in whole.itertuples() if row.Year is not pd.NA and test(row) or (row.Year is pd.NA and not filters.years and test(row))]
        assert table["MovieID"].tolist() == passing and len(passing)


def test_variety_is_bought_with_relevance(recommender):
    def spread(table):
        vectors = recommender.model.h_item[torch.from_numpy(np.searchsorted(ITEM_IDS, table["MovieID"]))]
        return -float((vectors @ vectors.T).mean())

    users = [int(user_id) for user_id in USER_IDS[:10]]
    plain, varied = (recommender.recommend(users, k=4, diversity=diversity) for diversity in (0.0, 0.7))
    assert np.mean([spread(of) for _, of in varied.groupby("UserID")]) > np.mean([spread(of) for _, of in plain.groupby("UserID")])
    assert varied["Score"].mean() < plain["Score"].mean()
    assert (varied.groupby("UserID")["MovieID"].first() == plain.groupby("UserID")["MovieID"].first()).all(), "the best one stays first"


@pytest.mark.parametrize("diversity", [0.0, 0.4, 1.0])
def test_marginal_relevance_agrees_with_a_plain_loop(diversity):
    rng = np.random.default_rng(0)
    h = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(30, 5)).astype(np.float32)))
    items = np.stack([rng.permutation(30)[:12] for _ in range(6)])
    scores = -np.sort(-rng.random((6, 12)).astype(np.float32), axis=1)
    items[5, 8:], scores[5, 8:] = -1, -np.inf
    found, _ = diversified(items, scores, h, 10, diversity)
    for row in range(6):
        pool = [(item, score) for item, score in zip(items[row], scores[row]) if item >= 0]
        low, high = pool[-1][1], pool[0][1]
        chosen = []
        while pool and len(chosen) < 10:
            relevance = [(s - low) / (high - low) for _, s in pool]
            value = [(1 - diversity) * r - diversity * max(float(h[i] @ h[j]) for j in chosen) for r, (i, _) in zip(relevance, pool)] if chosen else relevance
            chosen.append(pool.pop(int(np.argmax(value)))[0])
        assert found[row].tolist() == chosen + [-1] * (10 - len(chosen))


def test_in_time_what_they_watched_since_counts_and_is_seen(in_time):
    user_id = int(USER_IDS[5])
    first = in_time.recommend(user_id, k=3, because=True)
    watched = int(first["MovieID"].iloc[0])
    after = in_time.recommend(user_id, k=3, watched=[watched])
    assert watched not in after["MovieID"].tolist() and after["Score"].tolist() != first["Score"].tolist()
    assert in_time.last_watched(user_id, 2)["MovieID"].tolist() == ITEM_IDS[in_time._known.history.of(np.array([5])).items[::-1][:2]].tolist()
    assert all(movie_id in ITEM_IDS for reasons in first["Because"] for movie_id, _ in reasons)


class LastTwo:
    """Stands for a model: item i + 1 scores 10 if i was the last, and 1 more if i was the one before the last; all others 1."""

    @staticmethod
    def scorer(graph, known):
        def score(users):
            out = torch.ones(len(users), 8)
            for row, user in enumerate(users):
                items = known.history.of(np.array([user])).items
                for weight, item in zip((9, 1), items[::-1]):
                    out[row, item + 1] += weight
            return out

        return score


def test_in_time_reasons_are_the_movies_without_which_the_score_would_be_lower():
    train = pd.DataFrame({"user": [0, 0, 0, 1], "item": [1, 5, 3, 2], "rating": np.float32(1)})
    known = known_by(2, 8, [train], 0.0)
    # 4 follows 3, the last: 10 with it, 1 without. 6 follows 5, the one before; it would rise without 3. 0 follows nothing.
    assert reasons_by_leaving_out(LastTwo, None, known, 0, np.array([4, 6, 0])) == [[(3, pytest.approx(0.9))], [(5, pytest.approx(0.5))], []]
    assert reasons_by_leaving_out(LastTwo, None, known, 1, np.array([3])) == [[(2, 1.0)]], "their only movie is the reason"


def test_in_time_someone_new_is_served_by_the_order_of_their_likes(in_time):
    likes = [int(ITEM_IDS[i]) for i in (2, 9, 14)]
    one, other = in_time.recommend_new(likes, k=5), in_time.recommend_new(likes[::-1], k=5)
    assert one["Score"].tolist() != other["Score"].tolist() and len(in_time.recommend_new(likes, k=2, because=True)) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.recommend(7), "no user 7: UserIDs go from 100 to 198 (50 of them"),
        (lambda r: r.recommend([100, 7, 9]), "no user 7, 9: "),
        (lambda r: r.recommend_new([7]), "no movie 7: MovieIDs go from 1000 to 1117 (40 of them"),
        (lambda r: r.similar(-1), "no movie -1: "),
        (lambda r: r.recommend_new([1000], [1000]), "Film 0 is both liked and disliked."),
        (lambda r: r.recommend_new([1000], gender="X"), "gender is 'X', but must be F, M, or left out."),
        (lambda r: r.recommend(100, k=0), "0 recommendations are asked for, but it must be 1 or more."),
        (lambda r: r.recommend(100, diversity=1.5), "diversity is 1.5, but must be from 0 to 1."),
        (lambda r: r.recommend(100, watched=[1000]), "watched movies count only where the model follows time"),
        (lambda r: r.recommend(100, filters=Filters(("Dram",))), "no movie has the genre 'Dram'; did you mean 'Drama'?"),
        (lambda r: r.recommend(100, filters=Filters(("Opera",))), "no movie has the genre 'Opera'; there are Comedy, Drama, War."),
        (lambda r: r.recommend(100, filters=Filters(("Drama",), ("Drama",))), "no movie passes the filters; ask for less."),
        (lambda r: years_of("90s"), "the years are '90s', but must be one, or a first and a last: 1994 or 1990-1999."),
        (lambda r: years_of("1999-1990"), "the years are '1999-1990'"),
    ],
)  # fmt: skip
def test_errors_say_what_is_possible(recommender, call, message):
    with pytest.raises(UserError) as error:
        call(recommender)
    assert message in str(error.value)


def test_years():
    assert years_of("1994") == (1994, 1994) and years_of(" 1990 - 1999") == (1990, 1999)


def write(folder, packed, catalogue, arrays):
    write_arrays(folder / "model.npz", **pack(packed.model, arrays, packed.user_ids, packed.item_ids, packed.params))
    write_arrays(folder / "catalogue.npz", **catalogue.arrays())


@pytest.mark.parametrize("follows_time", [False, True])
def test_stored_and_loaded_it_recommends_the_same(interactions, tmp_path, follows_time):
    packed, catalogue, arrays = make(interactions, follows_time)
    write(tmp_path, packed, catalogue, arrays)
    loaded = movierec.Recommender.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.recommend(k=4), Recommender(packed, catalogue).recommend(k=4), rtol=1e-3)
    assert loaded.params == {"lr": 0.01} and loaded.version == movierec.__version__ and loaded.follows_time == follows_time
    pd.testing.assert_frame_equal(stored_catalogue(read_arrays(tmp_path / "catalogue.npz")).movies, MOVIES, check_dtype=False)


def test_files_that_do_not_belong_together_or_are_of_other_code_are_errors(made, tmp_path):
    packed, catalogue, arrays = made
    write(tmp_path, packed, catalogue._replace(user_ids=USER_IDS + 1), arrays)
    with pytest.raises(UserError, match="are of different runs; `dvc repro` brings them together"):
        Recommender.load(tmp_path)
    whole = read_arrays(tmp_path / "model.npz")
    write_arrays(tmp_path / "model.npz", **whole | {"format": 99})
    with pytest.raises(UserError, match=r"has format 99 \(movierec .* wrote it\), but this code reads format 1"):
        Recommender.load(tmp_path)
    write_arrays(tmp_path / "model.npz", **{name: array for name, array in whole.items() if name != "format"})
    with pytest.raises(UserError, match="has format None"):
        Recommender.load(tmp_path)
    write_arrays(tmp_path / "model.npz", **{name: array for name, array in whole.items() if name != "h_item"})
    with pytest.raises(UserError, match="lacks 'h_item'"):
        Recommender.load(tmp_path)
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="cannot be read"):
        Recommender.load(tmp_path)
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        Recommender.load(tmp_path / "nowhere")


def test_json_has_no_nan_and_names_the_reasons(recommender):
    records = as_records(recommender, recommender.recommend(int(USER_IDS[0]), k=30, because=True))
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert {"rank", "movie_id", "title", "year", "genres", "score", "because"} == set(records[0])
    unknown = next((record for record in records if record["movie_id"] == 1000), {"year": None})
    assert unknown["year"] is None
    assert records[0]["because"][0]["title"].startswith("Film ")


def test_tables_show_titles_as_text_whatever_brackets_they_hold(recommender, capsys):
    movies = pd.DataFrame({"MovieID": [1000], "Title": ["[red]Film[/red] [1]"], "Year": pd.array([None], dtype="Int16"), "Genres": ["War|Drama"], "Rating": [4.5]})
    print_movies(recommender, "Best [b]", movies)
    shown = capsys.readouterr().out
    assert "[red]Film[/red] [1]" in shown and "War, Drama" in shown and "4.5" in shown and "Best [b]" in shown


def test_the_package_has_nothing_else_to_give():
    with pytest.raises(AttributeError, match="has no attribute 'Recomender'"):
        movierec.Recomender  # noqa: B018
