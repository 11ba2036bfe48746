"""A model in one file, whole and public."""

import numpy as np
import pytest
from small_model import fit_small
from small_recommender import ITEM_IDS, N_ITEMS, PARAMS, USER_IDS, movie_ids, small, write_small

from movierec.interactions.graph_arrays import graph_arrays
from movierec.model.saving import pack
from movierec.recommend.export import KEPT, export, public_model, with_titles
from movierec.recommend.ranker import Asked, Ranker
from movierec.recommend.scores import Scores
from movierec.update import update
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.errors import UserError

ROWS = [(ITEM_IDS[3], "Lion King, The (1994)", "Animation|Musical"), (ITEM_IDS[4], "Heat (1995)", "(no genres listed)")]


@pytest.fixture(params=[False, True], ids=["long-term", "following time"])
def exported(request, tmp_path):
    """A function that exports a model; and the model."""
    of = small(request.param)
    write_small(tmp_path, of)

    def exported(public):
        export(tmp_path, tmp_path / "one.npz", public)
        return tmp_path / "one.npz"

    return exported, of


def test_the_whole_model_in_one_file_recommends_the_same(exported):
    path, of = exported[0](public=False), exported[1]
    loaded, asked = Ranker.load(path), Asked(5, because=True)
    for one, other in (
        (loaded.for_user(USER_IDS[3], asked), of.recommender.for_user(USER_IDS[3], asked)),
        (loaded.for_new(movie_ids(1, 2), asked=asked), of.recommender.for_new(movie_ids(1, 2), asked=asked)),
    ):
        assert one.items.tolist() == other.items.tolist() and one.because == other.because


def test_the_public_model_has_no_user_rating_title_or_genre(exported):
    path, of = exported[0](public=True), exported[1]
    arrays = read_arrays(path)
    assert not [name for name in arrays if name.startswith("users_")]
    by_user = ("user", "graph.source", "graph.target", "graph.weight", "rated.", "known.")
    sizes = {name: np.size(array) for name, array in arrays.items() if any(part in name for part in by_user)}
    assert set(sizes.values()) == {0, 1}, "of `indptr`, and of `n_users`"
    assert (
        not arrays["graph.degree"].any()
        and arrays["graph.item_genres"].size == 0
        and not arrays["catalogue.years"].any()
    )
    assert b"Film" not in path.read_bytes() and b"Drama" not in path.read_bytes()
    public = Ranker.load(path)
    assert public.follows_time == of.recommender.follows_time
    with pytest.raises(UserError, match=r"this model has no users; .*--like"):
        public.for_user(USER_IDS[0])
    with pytest.raises(UserError, match=r"no users to start from; name a movie"):
        public.for_new(gender="F")


def test_the_public_model_is_the_graph_and_the_similar_movies_of_the_whole(exported):
    """With fewer movies than weights are kept, its scores are those of the whole model without similar users."""
    path, of = exported[0](public=True), exported[1]
    assert N_ITEMS < KEPT
    without_users = of._replace(stored=of.stored._replace(model=of.stored.model._replace(mix=(1 / 3, 0.0, 2 / 3))))
    likes, dislikes, asked = movie_ids(3, 8, 12), movie_ids(5), Asked(N_ITEMS, because=True)
    expected = without_users.recommender.for_new(likes, dislikes, asked=asked)
    found = Ranker.load(path).for_new(likes, dislikes, asked=asked)
    assert found.items.tolist() == expected.items.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4, rtol=1e-3)
    assert [[item for item, _ in of] for of in found.because] == [[item for item, _ in of] for of in expected.because]
    near = Ranker.load(path).near(ITEM_IDS[3], asked)
    assert near.items.tolist() == of.recommender.near(ITEM_IDS[3], asked).items.tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("movies.dat", "".join(f"{'::'.join(map(str, row))}\n" for row in ROWS)),
        ("movies.csv", "movieId,title,genres\n" + "".join('{},"{}",{}\n'.format(*row) for row in ROWS)),
    ],
)
def test_titles_come_from_a_copy_of_the_data(exported, tmp_path, name, text):
    path = exported[0](public=True)
    (tmp_path / name).write_text(text)
    ranker = Ranker.load(path, tmp_path / name)
    assert (
        ranker.title_of(ITEM_IDS[3]) == "The Lion King (1994)"
        and ranker.title_of(ITEM_IDS[5]) == f"movie {ITEM_IDS[5]}"
    )
    assert ranker.catalogue.genres[[3, 4, 5]].tolist() == ["Animation|Musical", "", ""]
    assert ranker.movie_id("lion king") == ITEM_IDS[3]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("movies.dat", b"7::Heat (1995)::Action\n", "none of the model's movies"),
        ("movies.dat", b"1009,Heat\n", "cannot be read .*give movies.dat or movies.csv"),
        ("movies.csv", b"\xff\xfe", "cannot be read"),
        ("none.dat", None, "cannot be read"),
    ],
)
def test_titles_that_cannot_be_read_are_an_error(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name} .*{message}|{name} has {message}"):
        with_titles(small().catalogue.arrays(), tmp_path / name)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path):
    write_small(tmp_path, small())
    export(tmp_path, tmp_path / "one.npz", public=True)
    arrays = read_arrays(tmp_path / "one.npz")
    for name, wrong in (("items_weights.indices", arrays["items_weights.indices"] + N_ITEMS), ("h_item", np.zeros(3))):
        write_arrays(tmp_path / "two.npz", **arrays | {name: wrong})
        with pytest.raises(UserError, match=r"two\.npz is damaged"):
            Ranker.load(tmp_path / "two.npz")


@pytest.mark.parametrize("temporal", [False, True])
def test_an_updated_model_has_a_public_one_too(tmp_path, temporal):
    write_small(tmp_path / "models", small(temporal))
    (tmp_path / "day").mkdir()
    (tmp_path / "day/interactions.csv").write_text(f"user,item,rating,timestamp\n7,{ITEM_IDS[3]},5,2000000000\n")
    update([tmp_path / "day"], PARAMS, tmp_path / "models", tmp_path / "updated", say=lambda line: None)
    export(tmp_path / "updated", tmp_path / "one.npz", public=True)
    assert len(Ranker.load(tmp_path / "one.npz").for_new(movie_ids(3, 8)).items) == 20


def test_of_a_process_over_many_movies_all_weights_are_kept(checkerboard):
    train, valid = checkerboard
    model = fit_small(train, valid, user_process="none", item_process="local").model._replace(mix=(0.4, 0.0, 0.6))
    arrays = graph_arrays(train, model.graph.user_gender, model.graph.item_genres)
    whole = pack(model, arrays, np.arange(train.shape[0]), np.arange(train.shape[1]), params={})
    items = np.arange(train.shape[1])
    expected, found = (Scores(of).item_weights(items) for of in (whole, public_model(whole)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_titles_belong_to_ids_that_are_text(tmp_path):
    of = small()
    names = np.array([f"m{item:03}" for item in ITEM_IDS], object)
    write_small(tmp_path, of._replace(catalogue=of.catalogue._replace(item_names=names)))
    export(tmp_path, tmp_path / "one.npz", public=True)
    (tmp_path / "movies.dat").write_text(f"{names[3]}::Heat (1995)::Action\n{ITEM_IDS[4]}::Other (1995)::Action\n")
    ranker = Ranker.load(tmp_path / "one.npz", tmp_path / "movies.dat")
    assert ranker.title_of(names[3]) == "Heat (1995)" and ranker.title_of(names[4]) == f"movie {names[4]}"
