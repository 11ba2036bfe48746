"""Histories: their order, their times, and how they go on."""

import numpy as np
import pandas as pd
from small_histories import histories_of, lists_of, with_times

from movierec.interactions.histories import Histories, decay


def frame(*pairs):
    """A row for each pair; its time is a hundred times the item."""
    table = pd.DataFrame(pairs, columns=["user", "item"])
    return table.assign(timestamp=100 * table["item"])


def test_a_later_part_comes_after_an_earlier_one():
    histories = Histories.from_interactions(5, frame((0, 5), (0, 3), (2, 1)), frame((0, 4), (2, 0), (3, 9)))
    assert histories.indptr.tolist() == [0, 3, 3, 5, 6, 6]
    assert histories.items.tolist() == [5, 3, 4, 1, 0, 9]
    assert histories.times.tolist() == [500, 300, 400, 100, 0, 900] and histories.times.dtype == np.int64
    assert histories.last_times.tolist() == [400, 900, 0, 900, 900], "without items, the latest of all"
    assert histories.users.tolist() == [0, 0, 0, 2, 2, 3]
    assert histories.ages.tolist() == [2, 1, 0, 1, 0, 0]
    assert histories.lengths.tolist() == [3, 0, 2, 1, 0] and histories.n_users == 5
    assert (histories.indptr.dtype, histories.items.dtype) == (np.int64, np.int32)


def test_items_keep_their_order_in_long_tables():
    long = pd.DataFrame({"user": np.arange(1000) % 3, "item": np.arange(1000), "timestamp": 0})
    assert lists_of(Histories.from_interactions(3, long)) == [list(range(user, 1000, 3)) for user in range(3)]


def test_histories_of_some_users_are_in_the_order_of_these_users():
    histories = histories_of([[5, 3], [], [1]]).of(np.array([2, 1, 0, 2]))
    assert histories.indptr.tolist() == [0, 1, 1, 3, 4] and histories.items.tolist() == [1, 5, 3, 1]


def test_the_first_items_of_histories_with_their_times():
    histories = with_times([(5, 10), (3, 20), (4, 30)], [(1, 40)]).asked_at([99, 50], exactly=True)
    first = histories.of(np.array([0, 1, 0]), np.array([2, 0, 3]))
    assert first.indptr.tolist() == [0, 2, 2, 5] and first.items.tolist() == [5, 3, 5, 3, 4]
    assert first.times.tolist() == [10, 20, 10, 20, 30]
    assert first.asked.tolist() == [99, 50, 99] and first.exactly


def test_the_wait_is_the_time_from_the_last_item_to_the_moment_of_asking():
    histories = with_times([(5, 10), (3, 20)], [(1, 40)], [])
    assert histories.waits.tolist() == [0, 0, 0], "by default, right after the last item"
    assert histories.asked_at(35).waits.tolist() == [15, 0, 0], "none before the last item"
    assert histories.asked_at([21, 50, 60]).waits.tolist() == [1, 10, 20]


def test_the_moment_of_the_next_item():
    now, later = with_times([(5, 10)], [(1, 40)], []), with_times([(5, 10), (3, 20)], [(1, 40)], [(2, 70)])
    assert now.asked_at_next(later).waits.tolist() == [10, 0, 30], "without one, right after the last item"
    assert now.asked_at_next(later, exactly=True).exactly


def test_histories_go_on_with_more_items():
    histories = with_times([(5, 10), (3, 20), (4, 30)], [(1, 40)], []).asked_at(90).followed_by(np.array([3, 7]), 80)
    assert lists_of(histories) == [[5, 4, 3, 7], [1, 3, 7], [3, 7]], "an item counts at its last place"
    assert histories.times.tolist() == [10, 30, 80, 80, 40, 80, 80, 80, 80] and not histories.waits.any()
    one = Histories.of_one(np.array([3, 7]), 80)
    assert (lists_of(one), one.times.tolist()) == ([[3, 7]], [80, 80])


def test_weights_decay_by_half_life():
    assert decay(np.arange(3), 1.0).tolist() == [1, 0.5, 0.25] and decay(np.arange(3), 1.0).dtype == np.float32
