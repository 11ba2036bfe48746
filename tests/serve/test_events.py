"""What users watched since the training."""

import threading

import pytest
from small_recommender import ITEM_IDS, PARAMS, USER_IDS, small, write_small

from movierec.recommend.ranker import Ranker
from movierec.serve.events import Events, Since
from movierec.update import update
from movierec.utils.errors import UserError


def test_the_last_rating_of_a_movie_counts_and_sets_its_place():
    events = Events(min_rating=4)
    for movie, rating in ((1, 5), (2, 2), (3, 4), (1, 4.5), (3, 3.5)):
        events.add("ann", movie, rating)
    events.add("bob", 2, 5)
    assert events.since("ann") == Since(liked=[1], disliked=[2, 3])
    assert events.since("bob") == Since([2], []) and events.since("cy") is None


def test_a_folder_keeps_them_for_the_next_start(tmp_path):
    events = Events(tmp_path / "new")
    events.add("7", "260", 5, 100)
    events.add("7", "1,2", 3, 200)
    events.add("8", "260", 4.5)
    text = (tmp_path / "new/interactions.csv").read_text()
    assert text.startswith('user,item,rating,timestamp\n7,260,5,100\n7,"1,2",3,200\n8,260,4.5,')
    assert Events(tmp_path / "new", min_rating=4).since("7") == Since(["260"], ["1,2"])
    again = Events(tmp_path / "new")
    assert again.since("7") == Since(["260", "1,2"], []) and again.since("8") == Since(["260"], [])
    assert (tmp_path / "new/interactions.csv").read_text() == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", r"interactions\.csv, line 1: the columns are \['a', 'b'\]"),
        ("", "line 1: the columns are None"),
        (
            "user,item,rating,timestamp\n1,2,5,3\n1,2\n",
            r"interactions\.csv, line 3: no user, item, rating and timestamp",
        ),
        ("user,item,rating,timestamp\n1,2,many,3\n", "line 2: no user"),
    ],
)
def test_a_file_that_is_none_of_events_is_an_error_that_names_the_line(tmp_path, text, message):
    (tmp_path / "interactions.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        Events(tmp_path)


def test_a_place_that_is_no_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file"):
        Events(tmp_path / "file")


def test_events_of_several_threads_are_all_kept(tmp_path):
    events = Events(tmp_path)
    work = [threading.Thread(target=lambda n=n: [events.add(n, m, 5) for m in range(50)]) for n in range(4)]
    for of in work:
        of.start()
    for of in work:
        of.join()
    assert all(len(events.since(n).liked) == 50 for n in range(4))
    assert len((tmp_path / "interactions.csv").read_text().splitlines()) == 201


def test_an_update_takes_the_events_into_the_model(tmp_path):
    of = small(temporal=True)
    write_small(tmp_path / "models", of)
    events = Events(tmp_path / "events")
    for user, item in ((int(USER_IDS[3]), 7), (7, 8)):
        events.add(user, int(ITEM_IDS[item]), 5)
    update([tmp_path / "events"], PARAMS, tmp_path / "models", tmp_path / "to", say=lambda line: None)
    updated = Ranker.load(tmp_path / "to")
    assert [updated.last_items(updated.users_of([user])[0], 1).tolist() for user in (int(USER_IDS[3]), 7)] == [[7], [8]]
